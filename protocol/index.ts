/** The wire: schemas first, types inferred from them. Server, clients and tests import it from here. */
export * from './client-frames.ts';
export * from './close-codes.ts';
export * from './codec.ts';
export * from './faults.ts';
export * from './http.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './seats.ts';
export * from './server-frames.ts';
export * from './version.ts';

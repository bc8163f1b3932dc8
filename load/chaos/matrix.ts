import { clientFaults } from './faults/clients.ts';
import { clusterFaults } from './faults/cluster.ts';
import type { Fault } from './faults/fault.ts';
import { postgresFaults } from './faults/postgres.ts';
import { redisFaults } from './faults/redis.ts';
import { serverFaults } from './faults/servers.ts';

/** PostgreSQL has no leases. So whatever happens to it, no lease may end too early. */
const sparingLeases = (fault: Fault): Fault => ({ ...fault, touches: [] });

/** All rows of the matrix, in its order: stores, servers, clients. */
export const matrix: readonly Fault[] = [
  ...redisFaults,
  ...clusterFaults,
  ...postgresFaults.map(sparingLeases),
  ...serverFaults,
  ...clientFaults,
];

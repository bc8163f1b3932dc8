/** Runs the neighbour in a process of its own, so that the work of the fuzzer does not look like a slow server. */
import { serve } from '../bench/kit/served.ts';
import { Neighbour } from './neighbour.ts';

let neighbour: Neighbour | undefined;

const handlers = {
  arrive: async (port: number) => {
    neighbour = await Neighbour.arrive(port);
    return neighbour.session;
  },
  latenciesMs: () => neighbour?.latenciesMs() ?? [],
  leave: () => neighbour?.leave(),
};
export type NeighbourHandlers = typeof handlers;

serve(handlers);

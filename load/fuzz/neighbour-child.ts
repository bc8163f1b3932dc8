/** The neighbour in a process of its own, so that the fuzzer's work does not count as the server's delay. */
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

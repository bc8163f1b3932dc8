/** A process with connections that subscribe to a show's changes, as servers do, and ignore them. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { feedChannel } from '../../../server/feed/channel.ts';
import { serve } from '../kit/served.ts';

interface Listening {
  readonly redisPort: number;
  readonly showId: string;
  readonly count: number;
}

async function listen({ redisPort, showId, count }: Listening): Promise<void> {
  for (let i = 0; i < count; i++) {
    const socket = connect(redisPort, '127.0.0.1', () =>
      socket.write(`SSUBSCRIBE ${feedChannel(showId)}\r\n`),
    );
    // The answer to the subscription. From now on the connection is told of changes.
    await once(socket, 'data');
    socket.resume();
  }
}

const handlers = { listen };
export type ListenersHandlers = typeof handlers;
serve(handlers);

import { decodeClientFrame, decodeServerFrame } from '../../protocol/index.ts';
import type { Crowd, Guest } from '../../server/test/harness/crowd.ts';
import type { HistoryRecorder } from '../history.ts';

let clients = 0;

/** A client that records all its frames. */
export async function enterRecorded(
  crowd: Crowd,
  recorder: HistoryRecorder,
  url: string,
  hello: { session?: string; userId?: string } = {},
): Promise<Guest> {
  const name = `c${++clients}`;
  const client = await crowd.connect(url);
  recorder.opened(name);
  const send = client.sendRaw.bind(client);
  client.sendRaw = (text) => {
    const decoded = decodeClientFrame(text);
    if (decoded.ok) recorder.sent(name, decoded.frame);
    send(text);
  };
  client.socket.prependListener('message', (data) => {
    const decoded = decodeServerFrame(String(data));
    if (decoded.ok) recorder.received(name, decoded.frame);
  });
  client.socket.prependListener('close', (code) => recorder.closed(name, code));
  const leave = client.close.bind(client);
  client.close = (code) => {
    recorder.closing(name);
    return leave(code);
  };
  const welcome = await client.request<'welcome'>({ type: 'hello', ...hello });
  return Object.assign(client, { welcome, session: welcome.session, userId: welcome.userId });
}

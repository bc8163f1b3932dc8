import type { FrameCounter } from './frame-counter.ts';
import { loopbackFor } from './loopback.ts';
import { RawSocket } from './raw-socket.ts';

export interface JoinOptions {
  readonly host: string;
  readonly port: number;
  readonly showId: string;
}

export type Watcher<Frames extends FrameCounter> = RawSocket<Frames>;

let opened = 0;

/**
 * Resolves with a watcher of a show when it has its snapshot. It says hello after the upgrade, and sends `watch` after the first
 * message; the second is the snapshot. `onClose` is called when its connection ends. If that is before the snapshot, this rejects.
 */
export function joinWatcher<Frames extends FrameCounter>(
  { host, port, showId }: JoinOptions,
  frames: Frames,
  onClose: (socket: Watcher<Frames>) => void,
): { socket: Watcher<Frames>; joined: Promise<void> } {
  let [resolve, reject] = [() => {}, (_: Error) => {}];
  const joined = new Promise<void>((yes, no) => {
    [resolve, reject] = [yes, no];
  });
  let said = 0;
  const say = (by: Watcher<Frames>, text: string): void => {
    by.send(text);
    said += 1;
  };
  const onRead = (by: Watcher<Frames>) => {
    if (said === 0 && by.open) say(by, '{"type":"hello","id":"1"}');
    if (said === 1 && by.frames.messages === 1) say(by, `{"type":"watch","id":"2","showId":"${showId}"}`);
    if (said === 2 && by.frames.messages >= 2) {
      said = 3;
      resolve();
    }
  };
  const closed = (by: Watcher<Frames>) => {
    onClose(by);
    reject(new Error('a watcher was cut off'));
  };
  const localAddress = loopbackFor(opened++);
  const socket = new RawSocket({ host, port, localAddress, frames, onRead, onClose: closed });
  return { socket, joined };
}

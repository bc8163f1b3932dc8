import WebSocket from 'ws';

/** A change that nothing follows is told after all, so late: nobody could know that it was lost. */
const TOLD_AFTER_MS = 80;
const ONE_IN = 3;

/**
 * A socket that loses some of the changes that are pushed through it, each just before the next one, as a server does whose
 * client reads too slowly.
 */
export class ForgetfulSocket extends WebSocket {
  #kept: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const tell = () => super.emit(event, ...args);
    if (event !== 'message' || !isPushedChange(String(args[0]))) return tell();
    clearTimeout(this.#timer);
    const another = this.#kept !== undefined;
    this.#kept = undefined;
    if (another || Math.random() > 1 / ONE_IN) return tell();
    this.#kept = tell;
    this.#timer = setTimeout(() => {
      this.#kept = undefined;
      tell();
    }, TOLD_AFTER_MS);
    return true;
  }
}

const isPushedChange = (text: string): boolean =>
  text.startsWith('{"type":"delta"') && !text.includes('"id":');

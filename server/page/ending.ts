import type { RowlockError } from '../../protocol/client.ts';
import { element } from './dom.ts';
import type { Memory } from './memory.ts';
import { explain } from './words.ts';

/** The connection has ended for good: why, and the way on. */
export function showEnding(reason: RowlockError | undefined, memory: Memory): void {
  const dialog = element('ending', HTMLDialogElement);
  const wantsToken = reason?.code === 'unauthorized';
  element('ending-text', HTMLElement).textContent = textOf(reason, memory.token !== undefined);
  element('token-part', HTMLElement).hidden = !wantsToken;
  if (wantsToken) {
    element('ending-title', HTMLElement).textContent = 'Who is there?';
    element('ending-go', HTMLButtonElement).textContent = 'Go on';
  }
  element('ending-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const token = element('token', HTMLInputElement).value.trim();
    if (wantsToken && token !== '') memory.keepToken(token);
    else memory.forgetSession();
    location.reload();
  });
  // Closed by Escape it would leave a page that does nothing, and no word why.
  dialog.addEventListener('close', () => dialog.showModal());
  if (!dialog.open) dialog.showModal();
}

/** Whoever gave a token is told what is wrong with it. */
function textOf(reason: RowlockError | undefined, gaveToken: boolean): string {
  if (reason === undefined) return 'The connection has ended.';
  const text = explain(reason, 'watch', (id) => id);
  return reason.code === 'unauthorized' && gaveToken
    ? `${text} The server says of the one that you gave: ${reason.message}`
    : text;
}

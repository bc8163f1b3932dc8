import { make } from './dom.ts';
import type { Notice } from './sale.ts';

const MOST_SHOWN = 3;
/** Long enough to be read twice. What went wrong stays longer. */
const shownMs = { good: 6_000, plain: 5_000, bad: 14_000 };

/**
 * What has just happened, over the map, and for screen readers. Two live regions that are there from the start: one that is made
 * together with its text is not read.
 */
export class Notices {
  readonly #list: HTMLElement;
  readonly #polite: HTMLElement;
  readonly #urgent: HTMLElement;

  constructor(list: HTMLElement, polite: HTMLElement, urgent: HTMLElement) {
    this.#list = list;
    this.#polite = polite;
    this.#urgent = urgent;
  }

  show({ tone, text }: Notice): void {
    this.tell(text, tone === 'bad');
    if (tone !== 'quiet') this.#post(tone, text);
  }

  #post(tone: keyof typeof shownMs, text: string): void {
    const close = make('button', { type: 'button', class: 'notice-close', 'aria-label': 'Dismiss' }, '×');
    const notice = make('li', { class: `notice ${tone}` }, make('p', {}, text), close);
    const remove = () => notice.remove();
    close.addEventListener('click', remove);
    let timer = setTimeout(remove, shownMs[tone]);
    notice.addEventListener('pointerenter', () => clearTimeout(timer));
    notice.addEventListener('pointerleave', () => {
      timer = setTimeout(remove, shownMs[tone]);
    });
    for (const old of [...this.#list.children].slice(0, -(MOST_SHOWN - 1))) old.remove();
    this.#list.append(notice);
  }

  /** To screen readers alone. */
  tell(text: string, urgent = false): void {
    const region = urgent ? this.#urgent : this.#polite;
    // The same text twice in a row is no change, and would be silent.
    region.textContent = region.textContent === text ? `${text}\u00a0` : text;
  }

  clear(): void {
    this.#list.replaceChildren();
  }
}

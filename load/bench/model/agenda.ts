interface Item {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** The events of a simulation, in a binary heap by their times. */
export class Agenda {
  readonly #items: Item[] = [];
  #order = 0;
  /** The current time in microseconds. */
  now = 0;

  after(us: number, run: () => void): void {
    this.#push({ at: this.now + us, order: this.#order++, run });
  }

  /** Runs all events until then, including those that they add. */
  runUntil(us: number): void {
    for (let next = this.#items[0]; next !== undefined && next.at <= us; next = this.#items[0]) {
      this.#pop();
      this.now = next.at;
      next.run();
    }
    this.now = us;
  }

  #push(item: Item): void {
    const items = this.#items;
    items.push(item);
    for (let i = items.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#swapped(i, parent)) return;
      i = parent;
    }
  }

  #pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    items[0] = last;
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const child = right < items.length && this.#before(right, left) ? right : left;
      if (child >= items.length || !this.#swapped(child, i)) return;
      i = child;
    }
  }

  /** Moves the earlier one up. @returns whether they were swapped */
  #swapped(child: number, parent: number): boolean {
    if (!this.#before(child, parent)) return false;
    const [x, y] = [this.#items[child], this.#items[parent]];
    if (x === undefined || y === undefined) return false;
    this.#items[child] = y;
    this.#items[parent] = x;
    return true;
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#items[a], this.#items[b]];
    if (x === undefined || y === undefined) return false;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }
}

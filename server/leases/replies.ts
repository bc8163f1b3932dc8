/**
 * Reading what a Lua step answered. Replies are arrays of strings and integers whose shape only the script knows, so
 * they are checked as they are read; anything else is a bug and throws. (zod on this path cost more than the step.)
 */
export class ReplyReader {
  readonly #items: readonly unknown[];
  #next = 0;

  constructor(reply: unknown) {
    if (!Array.isArray(reply))
      throw new Error(`a Lua step answered ${typeof reply} where a list was expected`);
    this.#items = reply;
  }

  get done(): boolean {
    return this.#next >= this.#items.length;
  }

  string(): string {
    const item = this.#items[this.#next++];
    if (typeof item !== 'string')
      throw new Error(`a Lua step answered ${typeof item} where a string was expected`);
    return item;
  }

  number(): number {
    const item = this.#items[this.#next++];
    if (typeof item !== 'number')
      throw new Error(`a Lua step answered ${typeof item} where a number was expected`);
    return item;
  }

  list(): ReplyReader {
    return new ReplyReader(this.#items[this.#next++]);
  }

  strings(): string[] {
    const strings: string[] = [];
    while (!this.done) strings.push(this.string());
    return strings;
  }
}

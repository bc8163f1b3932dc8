import { run } from '../../../server/dev/process.ts';

/** A virtual cable: one end is here, the other in a network namespace that has no other connection. */
export class Cable {
  readonly #name: string;
  readonly here: string;
  readonly #there: string;

  /** @param name at most 14 letters: names of devices, which have one more, may have 15 */
  constructor(name: string, net: number) {
    this.#name = name;
    this.here = `10.217.${net}.1`;
    this.#there = `10.217.${net}.2`;
  }

  get within(): string[] {
    return ['ip', 'netns', 'exec', this.#name];
  }

  async lay(): Promise<void> {
    const name = this.#name;
    const ip = (...args: string[]) => run('ip', args);
    await ip('netns', 'add', name);
    await ip('link', 'add', `${name}h`, 'type', 'veth', 'peer', 'name', `${name}c`, 'netns', name);
    await ip('addr', 'add', `${this.here}/30`, 'dev', `${name}h`);
    await ip('link', 'set', `${name}h`, 'up');
    await ip('-n', name, 'addr', 'add', `${this.#there}/30`, 'dev', `${name}c`);
    await ip('-n', name, 'link', 'set', `${name}c`, 'up');
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  }

  async down(): Promise<void> {
    await run('ip', ['link', 'set', `${this.#name}h`, 'down']);
  }

  async up(): Promise<void> {
    await run('ip', ['link', 'set', `${this.#name}h`, 'up']);
  }

  async remove(): Promise<void> {
    // Deleting one end deletes the cable.
    await run('ip', ['link', 'del', `${this.#name}h`]).catch(() => undefined);
    await run('ip', ['netns', 'del', this.#name]).catch(() => undefined);
  }
}

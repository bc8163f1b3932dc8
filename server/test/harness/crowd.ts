import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { type Joined, TestClient } from './client.ts';

/** A `confirm` with a `requestId` of its own, to be sent once or again and again. */
export const confirmOf = (showId: string, seatIds: string[], requestId: string = randomUUID()) =>
  ({ type: 'confirm', showId, seatIds, requestId }) as const;

type Hello = NonNullable<Parameters<typeof TestClient.join>[1]>;
export type Guest = TestClient & Joined;

/** The clients of a test file: they leave together, and none of them may have got two replies to one frame. */
export class Crowd {
  readonly #clients = new Set<TestClient>();

  /** A client that said hello. */
  async join(url: string, hello: Hello = {}): Promise<Guest> {
    const client = await TestClient.join(url, hello);
    this.#clients.add(client);
    return client;
  }

  joinMany(url: string, count: number): Promise<Guest[]> {
    return Promise.all(Array.from({ length: count }, () => this.join(url)));
  }

  /** A client that watches the show already. */
  async watch(url: string, showId: string): Promise<Guest> {
    const client = await this.join(url);
    await client.request<'snapshot'>({ type: 'watch', showId });
    return client;
  }

  /** A client that has not said hello. */
  async connect(url: string, options: ConstructorParameters<typeof TestClient>[1] = {}): Promise<TestClient> {
    const client = new TestClient(url, options);
    this.#clients.add(client);
    await client.opened();
    return client;
  }

  async leave(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.terminate()));
    for (const client of this.#clients) expectNoSecondReply(client);
    this.#clients.clear();
  }
}

function expectNoSecondReply({ frames }: TestClient): void {
  const ids = frames.flatMap((frame) => ('id' in frame && frame.id !== undefined ? [frame.id] : []));
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
}

import { Agent, request } from 'node:http';
import type { ServerAddress } from './client.ts';

const SOCKETS = 4;
const WITHIN_MS = 10_000;

/** Refunds bookings over HTTP, as a shop's support would. */
export class Refunds {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  readonly #address: ServerAddress;
  readonly #token: string;
  #underWay = 0;
  #failure: Error | undefined;
  #onQuiet: () => void = () => undefined;

  constructor(address: ServerAddress, token: string) {
    this.#address = address;
    this.#token = token;
  }

  add(requestId: string): void {
    this.#underWay += 1;
    const { host, port } = this.#address;
    const headers = { authorization: `Bearer ${this.#token}` };
    const path = `/bookings/${requestId}`;
    const options = { host, port, path, method: 'DELETE', headers, agent: this.#agent, timeout: WITHIN_MS };
    const asking = request(options, (response) => {
      if (response.statusCode !== 200)
        this.#failure ??= new Error(`a refund was answered ${response.statusCode}`);
      response.resume().once('close', () => this.#ended());
    });
    asking.once('timeout', () => asking.destroy(new Error('a refund got no answer')));
    asking.once('error', (error) => {
      this.#failure ??= error;
      this.#ended();
    });
    asking.end();
  }

  /** Resolves when all refunds are done. Rejects if one of them failed. */
  async quiet(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#onQuiet = resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#agent.destroy();
  }

  #ended(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onQuiet();
  }
}

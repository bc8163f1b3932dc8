import { connect, type Socket } from 'node:net';

const ANSWER_WITHIN_MS = 5_000;

/** Sends one command at a time over a plain socket. The project's Redis client is in server/stores, and only for the server. */
export class RedisSocket {
  readonly #socket: Socket;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async connect(redisUrl: string): Promise<RedisSocket> {
    const { hostname, port, username, password } = new URL(redisUrl);
    const socket = connect({ host: hostname, port: Number(port) || 6379 });
    socket.on('error', () => undefined);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve()).once('close', () => reject(new Error('no Redis there')));
    });
    const redis = new RedisSocket(socket);
    if (password === '') return redis;
    const login = [username || 'default', password].map(decodeURIComponent).join(' ');
    if ((await redis.command(`AUTH ${login}`)) !== '+OK') throw new Error('Redis refuses the login');
    return redis;
  }

  /** Resolves with the raw reply. Only for commands whose reply is short. */
  command(line: string): Promise<string> {
    const answer = this.#turn.then(() => this.#ask(line));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  #ask(line: string): Promise<string> {
    const redis = this.#socket;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish(new Error('Redis gives no answer')), ANSWER_WITHIN_MS);
      const answered = (data: Buffer) => finish(undefined, data.toString().trim());
      const closed = () => finish(new Error('Redis hung up'));
      const finish = (error: Error | undefined, answer = '') => {
        clearTimeout(timer);
        redis.off('data', answered).off('close', closed);
        if (error) reject(error);
        else resolve(answer);
      };
      if (redis.destroyed) return finish(new Error('Redis hung up'));
      redis.on('data', answered).on('close', closed);
      redis.write(`${line}\r\n`);
    });
  }
}

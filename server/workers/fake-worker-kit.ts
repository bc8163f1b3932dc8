import type { Sample } from '../observability/self-report.ts';
import type { Exit, Hears, Worker } from './worker-process.ts';

const noSamples = async (): Promise<Sample[] | undefined> => [];

/** A worker that does what the test says, and notes what it is told. */
export class FakeWorker implements Worker {
  readonly number: number;
  readonly pid: number;
  readonly hears: Hears;
  readonly listening: Promise<void>;
  readonly ended: Promise<Exit>;
  told: string[] = [];
  report = noSamples;
  ping = async () => true;
  listens!: () => void;
  fails!: (reason: string) => void;
  ends!: (exit?: Partial<Exit>) => void;

  constructor(number: number, pid: number, hears: Hears) {
    this.number = number;
    this.pid = pid;
    this.hears = hears;
    this.ended = new Promise((resolve) => {
      this.ends = (exit) => resolve({ code: null, signal: null, ...exit });
    });
    this.listening = new Promise((resolve, reject) => {
      this.listens = resolve;
      this.fails = (reason) => {
        reject(new Error(reason));
        this.ends({ code: 1 });
      };
    });
    this.listening.catch(() => undefined);
  }

  drain(): void {
    this.told.push('drain');
  }

  kill(): void {
    this.told.push('kill');
    this.ends({ signal: 'SIGKILL' });
  }
}

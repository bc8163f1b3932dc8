import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { variables } from '../../../server/config/variables.ts';
import type { Call, Handlers, Reply } from './served.ts';

const projectDir = fileURLToPath(new URL('../../../', import.meta.url));
const CALL_WITHIN_MS = 120_000;
const START_WITHIN_MS = 30_000;
const END_WITHIN_MS = 5_000;

/** A child process that serves named calls. */
export interface Child<H extends Handlers> {
  readonly pid: number;
  /** Rejects if the child ends, fails, or takes longer than two minutes. */
  call<Name extends keyof H & string>(
    name: Name,
    ...input: Parameters<H[Name]>
  ): Promise<Awaited<ReturnType<H[Name]>>>;
  /** Resolves with the first line of its output that matches. */
  says(line: RegExp): Promise<RegExpExecArray>;
  /** @param withinMs after this time it is killed */
  stop(withinMs?: number): Promise<void>;
}

export interface ChildOptions {
  /** Path from the top of the project. */
  readonly script: string;
  /** Node flags. */
  readonly flags?: readonly string[];
  /** Settings of the server. Those in the environment of this process are not passed on. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A command in which it is run, such as ['ip', 'netns', 'exec', name]. */
  readonly within?: readonly string[];
}

export function startChild<H extends Handlers>({
  script,
  flags = [],
  settings = {},
  within = [],
}: ChildOptions): Child<H> {
  const unset = Object.values(variables).flatMap(({ name }) => ['-u', name]);
  const set = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const command = [...within, process.execPath, '--import', 'tsx', ...flags, script];
  const child = spawn('env', [...unset, ...set, ...command], {
    cwd: projectDir,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // In its own process group, so that Ctrl-C reaches only the parent, which then ends its children in order.
    detached: true,
  });
  return new RunningChild<H>(child, script);
}

class RunningChild<H extends Handlers> implements Child<H> {
  readonly #child: ChildProcess;
  readonly #script: string;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  readonly #ended: Promise<void>;
  #output = '';
  #calls = 0;

  constructor(child: ChildProcess, script: string) {
    this.#child = child;
    this.#script = script;
    child.on('message', (reply: Reply) => this.#waiting.get(reply.call)?.(reply));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-10_000);
      });
    }
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
    child.on('error', () => undefined);
    void this.#ended.then(() => {
      const message = `${script} has ended: ${this.#output.trim().slice(-500)}`;
      for (const [call, settle] of this.#waiting) settle({ call, ok: false, message });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<Name extends keyof H & string>(name: Name, ...[input]: Parameters<H[Name]>) {
    const call = ++this.#calls;
    return new Promise<Awaited<ReturnType<H[Name]>>>((resolve, reject) => {
      const settle = (reply: Reply) => {
        clearTimeout(timer);
        this.#waiting.delete(call);
        // Has the type of the handler: see served.ts.
        if (reply.ok) resolve(reply.value as Awaited<ReturnType<H[Name]>>);
        else reject(new Error(`${this.#script}: ${name}: ${reply.message}`));
      };
      const late = () => settle({ call, ok: false, message: 'no answer' });
      const timer = setTimeout(late, CALL_WITHIN_MS);
      this.#waiting.set(call, settle);
      if (!this.#child.connected) return settle({ call, ok: false, message: `has ended: ${this.#output}` });
      this.#child.send({ call, name, input } satisfies Call, (error) => {
        if (error) settle({ call, ok: false, message: error.message });
      });
    });
  }

  says(line: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = line.exec(this.#output);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found);
      };
      const fail = () => reject(new Error(`${this.#script} did not start: ${this.#output.trim()}`));
      const timer = setTimeout(fail, START_WITHIN_MS);
      this.#child.stdout?.on('data', look);
      void this.#ended.then(fail);
      look();
    });
  }

  async stop(withinMs = END_WITHIN_MS): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    await this.#ended;
    clearTimeout(timer);
  }
}

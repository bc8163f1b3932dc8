import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { freePort } from '../../dev/process.ts';
import { ADMIN_TOKEN } from './app-kit.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);
const PATIENT = { timeout: 60_000, interval: 250 };

/** What a section of OPERATIONS.md shows in one language, block by block. */
export function shown(heading: string, language: 'sh' | 'yaml'): string[] {
  const text = readFileSync(join(root, 'server/OPERATIONS.md'), 'utf8');
  const section = text.split(`\n### ${heading}\n`)[1]?.split(/^##/m)[0] ?? '';
  const blocks = [...section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, found, block = '']) => (found === language ? [block] : []));
}

export interface Container {
  readonly id: string;
  readonly address: string;
  readonly running: boolean;
  readonly health: string;
  readonly exitCode: number;
  /** How often the engine has started it again by itself. */
  readonly restarts: number;
}

/** The services of docker-compose.yml as a project of its own on the engine that `docker` speaks to; `down` takes all of it away. */
export class Containers {
  /** http://127.0.0.1:<port> of the balancer. */
  readonly url: string;
  readonly #project = `rowlock-test-${randomBytes(4).toString('hex')}`;
  readonly #program: string;
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(
    port: number,
    program: string,
    dir: string,
    variables: Readonly<Record<string, string>>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.#program = program;
    this.#dir = dir;
    this.#env = {
      ...process.env,
      COMPOSE_PROJECT_NAME: this.#project,
      PORT: String(port),
      // As unset: the default is what is tested.
      BIND_ADDRESS: '',
      SERVERS: '',
      // It is in the file.
      ADMIN_TOKEN: '',
      ...variables,
    };
  }

  /**
   * @param variables what whoever types the command has in the environment
   * @param overrides further files, as a document shows them. Paths in them are of this machine; `./admin_token` is one
   *   that tests know
   */
  static async plan(
    variables: Readonly<Record<string, string>>,
    ...overrides: readonly string[]
  ): Promise<Containers> {
    const dir = await mkdtemp(join(tmpdir(), 'rowlock-compose-'));
    const tokenFile = join(dir, 'admin_token');
    await writeFile(tokenFile, `${ADMIN_TOKEN}\n`);
    const further = overrides.map((text, i) => ({ path: join(dir, `override-${i}.yml`), text }));
    for (const { path, text } of further) await writeFile(path, text.replace('./admin_token', tokenFile));
    const files = ['docker-compose.yml', ...further.map(({ path }) => path)].join(':');
    // The plugin where there is one, else the program of the generation before it.
    const plugin = await run('docker', ['compose', 'version']).catch(() => undefined);
    const program = plugin ? 'docker compose' : 'docker-compose';
    return new Containers(await freePort(), program, dir, { COMPOSE_FILE: files, ...variables });
  }

  /** Lines for a shell as they stand in a document, `docker compose` among them. */
  async sh(lines: string): Promise<void> {
    // The generation before knows no --wait; who is too early then finds the service gone for some seconds.
    const told = this.#program === 'docker compose' ? lines : lines.replaceAll('--wait', '');
    const script = told.replaceAll('docker compose', this.#program);
    const options = { cwd: root, env: this.#env, timeout: 600_000, maxBuffer: 2 ** 26 };
    await run('bash', ['-euo', 'pipefail', '-c', script], options);
  }

  async docker(...args: readonly string[]): Promise<string> {
    return (await run('docker', args, { timeout: 60_000 })).stdout.trim();
  }

  /** Those of a service that exist, running or not. */
  async of(service: string): Promise<Container[]> {
    const labels = [`project=${this.#project}`, `service=${service}`];
    const filters = labels.flatMap((label) => ['--filter', `label=com.docker.compose.${label}`]);
    const ids = (await this.docker('ps', '--all', '--quiet', '--no-trunc', ...filters)).split(/\s+/);
    const found = await Promise.all(ids.filter(Boolean).map((id) => this.#inspect(id)));
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Waits until the service has so many healthy containers. */
  async healthy(service: string, count: number): Promise<Container[]> {
    const isWell = ({ running, health }: Container) => running && health === 'healthy';
    return vi.waitFor(async () => {
      const well = (await this.of(service)).filter(isWell);
      expect(well, `healthy containers of ${service}`).toHaveLength(count);
      return well;
    }, PATIENT);
  }

  /** What a call inside of the container's network answers: its own address is 127.0.0.1. */
  get(from: Container, url: string): Promise<string> {
    const program = `fetch('${url}').then((r) => r.text()).then((text) => process.stdout.write(text))`;
    return this.docker('exec', from.id, 'node', '-e', program);
  }

  /** WebSocket connections that a server has. */
  async connectionsOf(server: Container): Promise<number> {
    const metrics = await this.get(server, 'http://127.0.0.1:8080/metrics');
    return Number(/^rowlock_connections (\d+)/m.exec(metrics)?.[1]);
  }

  /** Its processes end as if the kernel had killed them: `docker kill` would count as wanted, and nothing start it again. */
  async die(container: Container): Promise<void> {
    // All but the first, which ends with its child; what sends it ends with them.
    const killed = this.docker('exec', container.id, 'bash', '-c', 'kill -9 -1');
    await killed.catch(() => undefined);
  }

  /** All that the service's first container has said. */
  async logOf(service: string): Promise<string> {
    const [container] = await this.of(service);
    const { stdout, stderr } = await run('docker', ['logs', container?.id ?? '']);
    return stdout + stderr;
  }

  /** How often the balancer has logged that no server is ready any more, and that it goes on with those that live. */
  async turnsToLiving(): Promise<number> {
    return [...(await this.logOf('balancer')).matchAll(/Server ready\/\S+ is DOWN,.* Running on backup/g)]
      .length;
  }

  async down(): Promise<void> {
    const all = '--volumes --remove-orphans --rmi local --timeout 1';
    await this.sh(`docker compose --profile monitoring down ${all}`);
    await rm(this.#dir, { recursive: true });
  }

  async #inspect(id: string): Promise<Container> {
    const [found] = JSON.parse(await this.docker('inspect', id));
    const { State: state, NetworkSettings: network } = found;
    const [first] = Object.values<{ IPAddress: string }>(network.Networks);
    return {
      id,
      address: first?.IPAddress ?? '',
      running: state.Running,
      health: state.Health?.Status ?? 'none',
      exitCode: state.ExitCode,
      restarts: found.RestartCount,
    };
  }
}

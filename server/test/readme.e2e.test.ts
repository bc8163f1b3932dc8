import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import { variables } from '../config.ts';
import { createDemoShow } from '../dev/demo.ts';
import { createLog } from '../observability/log.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** What the server chooses anew each time. */
const CHOSEN = new Set(['session', 'userId', 'epoch', 'bookingId', 'expiresInMs', 'deadlineInMs']);
const withoutChosen = (frame: unknown): unknown =>
  JSON.parse(JSON.stringify(frame, (key, value: unknown) => (CHOSEN.has(key) ? typeof value : value)));

const lines = (mark: string): string[] =>
  readme.split('\n').flatMap((line) => (line.startsWith(`${mark} {`) ? [line.slice(2)] : []));

const printed = (): ServerFrame[] =>
  lines('<').map((line) => {
    const decoded = decodeServerFrame(line);
    if (!decoded.ok) throw new Error(`the README shows what is no frame: ${line}`);
    return decoded.frame;
  });

describe('README', () => {
  let stage: TestStage;
  beforeAll(async () => {
    stage = await openStage();
    await createDemoShow(stage.database.url, createLog('silent'));
  });
  afterAll(() => stage.close());

  it('shows the exchange as the server has it', async () => {
    const app = await stage.start();
    const client = new TestClient(app.url);
    await client.opened();
    for (const line of lines('>')) {
      client.sendRaw(line);
      await client.reply(JSON.parse(line).id);
    }
    const expected = printed();
    expect(expected.length).toBeGreaterThan(4);
    await client.until(() => client.frames.length >= expected.length, 'as many frames as the README shows');
    const replies = (frames: ServerFrame[]) => frames.filter((frame) => 'id' in frame).map(withoutChosen);
    const pushes = (frames: ServerFrame[]) => frames.filter((frame) => !('id' in frame)).map(withoutChosen);
    expect(replies(client.frames)).toEqual(replies(expected));
    expect(pushes(client.frames)).toEqual(pushes(expected));
    await client.close();
  });

  it('describes every variable as the configuration does', () => {
    const row = /^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\| (.*) \|$/;
    const table = readme.split('\n').flatMap((line) => {
      const [, name, fallback, description] = row.exec(line) ?? [];
      return name === undefined ? [] : [{ name, default: fallback, description }];
    });
    expect(table).toEqual(
      Object.values(variables).map(({ name, default: fallback, description }) => ({
        name,
        default: fallback,
        description,
      })),
    );
  });

  it('names scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    for (const [, script] of readme.matchAll(/npm run ([a-z:]+)/g))
      expect(scripts).toHaveProperty([script ?? '']);
  });
});

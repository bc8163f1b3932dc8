import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openStage, type TestStage } from '../../server/test/harness/app-kit.ts';
import { BYSTANDER_SHOW, FUZZ_SHOW, SEATS } from './frames.ts';
import { fuzz } from './lanes.ts';
import { BYSTANDER_SEATS, NEIGHBOUR_SHOW, Neighbour } from './neighbour.ts';
import { Seen } from './play.ts';
import { KINDS } from './scenario.ts';
import { SERVER_SETTINGS } from './settings.ts';
import { isQuiet, readState, type State, type Stores, wrongs } from './state.ts';

const INPUTS = 1_500;

let stage: TestStage;
let stores: Stores;
beforeAll(async () => {
  stage = await openStage();
  stores = { databaseUrl: stage.database.url, redisUrl: stage.redis.url };
  await stage.createShow(FUZZ_SHOW, SEATS);
  await stage.createShow(BYSTANDER_SHOW, BYSTANDER_SEATS);
  await stage.createShow(NEIGHBOUR_SHOW, 1);
});
afterAll(() => stage.close());

it(`${INPUTS} hostile inputs: each is answered as it should be, and nothing changes that they may not change`, async () => {
  const { port } = await stage.start(SERVER_SETTINGS);
  const neighbour = await Neighbour.arrive(port);
  const before = await readState(stores);
  const seen = new Seen();
  // Another seed for each run. A failure names it.
  const seed = Math.floor(Math.random() * 2 ** 31);
  const fuzzed = await fuzz({ port, victim: neighbour.session, seen }, { inputs: INPUTS, seed, lanes: 4 });
  expect(fuzzed.wrongs).toEqual([]);
  // The run has really tested something.
  for (const kind of KINDS) expect(fuzzed.inputs[kind]).toBeGreaterThan(0);
  for (const answer of ['held', 'bad_frame', 'seat_unavailable', '400'])
    expect(seen.answers.get(answer) ?? 0).toBeGreaterThan(0);

  let after: State = before;
  const ended = async () => {
    after = await readState(stores);
    expect(isQuiet(after)).toBe(true);
  };
  await vi.waitFor(ended, { timeout: 15_000, interval: 100 });
  expect(wrongs(before, after, seen), `--seed ${seed}`).toEqual([]);
  expect((await neighbour.latenciesMs()).length).toBeGreaterThan(0);
  await neighbour.leave();
});

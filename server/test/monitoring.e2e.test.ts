import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Instruments } from '../observability/instruments.ts';
import { supervision } from '../observability/metrics.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const dashboard = file('server/observability/grafana/rowlock.json');
const alerts = file('server/observability/alerts.yml');
const operations = file('server/OPERATIONS.md');
const compose = file('docker-compose.yml');

/** Samples of a scrape: the names with the labels that each has. */
let exposed: Map<string, Set<string>>;
let stage: TestStage;

beforeAll(async () => {
  stage = await openStage();
  await stage.createShow('demo');
  const app = await stage.start();
  const client = await TestClient.join(app.url);
  await client.request({ type: 'watch', showId: 'demo' });
  await client.request({ type: 'hold', showId: 'demo', seatIds: ['A1'] });
  await client.request({ type: 'confirm', showId: 'demo', seatIds: ['A1'], requestId: randomUUID() });
  // One frame in seventeen is timed.
  for (let i = 0; i < 17; i++) await client.request({ type: 'heartbeat' });
  // What has failed nowhere yet is not there with its labels: one of each that can be made to fail.
  await fetch(`${app.url}/shows/nothing`);
  let scrape = await (await fetch(`${app.url}/metrics`)).text();
  await client.close();
  exposed = new Map();
  for (const [, name = '', labels = ''] of scrape.matchAll(/^([a-z_]+)(?:\{(.*)\})? /gm)) {
    const known = exposed.get(name) ?? new Set();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    exposed.set(name, known);
  }
  // The first process of several adds its own.
  const registry = new Registry();
  supervision(new Instruments(registry));
  scrape += await registry.metrics();
  for (const [, name = ''] of scrape.matchAll(/^# TYPE (\w+) /gm))
    if (!exposed.has(name)) exposed.set(name, new Set());
});
afterAll(() => stage.close());

const expressions = (text: string): string[] => [
  ...[...text.matchAll(/"expr": "(.*)"/g)].map(([, expr = '']) => expr.replaceAll('\\"', '"')),
  ...[...text.matchAll(/^ {8}expr: (?:\|\n((?: {10,}.*\n)+)|(.*))/gm)].map(
    ([, block, line]) => block ?? line ?? '',
  ),
];
const metricsOf = (expr: string): string[] =>
  [...expr.matchAll(/\b(?:rowlock|nodejs|process)_\w+/g)].map(([name]) => name);

describe('dashboard and alerts', () => {
  it('name metrics that are exposed, all of them', () => {
    const named = [...expressions(dashboard), ...expressions(alerts)].flatMap(metricsOf);
    expect(named.length).toBeGreaterThan(60);
    expect(named.filter((name) => !exposed.has(name))).toEqual([]);
  });

  it('ask for labels that the metrics have', () => {
    const asked = [...expressions(dashboard), ...expressions(alerts)].flatMap((expr) =>
      [...expr.matchAll(/\b((?:rowlock|nodejs|process)_\w+)\{([^}]*)\}/g)].flatMap(
        ([, name = '', matchers = '']) =>
          [...matchers.matchAll(/(\w+)[=!]~?"/g)].map(([, label = '']) => ({ name, label })),
      ),
    );
    const byPrometheus = ['instance', 'job'];
    const wrong = asked.filter(
      ({ name, label }) => !byPrometheus.includes(label) && !exposed.get(name)?.has(label),
    );
    expect(wrong).toEqual([]);
  });

  it('show every metric of ours', () => {
    const shown = new Set(expressions(dashboard).flatMap(metricsOf));
    const base = (name: string) => name.replace(/_(bucket|sum|count)$/, '');
    const bases = new Set([...shown].map(base));
    const ours = [...exposed.keys()].filter((name) => name.startsWith('rowlock_'));
    expect(ours.filter((name) => !bases.has(base(name)))).toEqual([]);
  });

  it('every alert has a section that says what to do, and every section an alert', () => {
    const named = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    const linked = [...alerts.matchAll(/runbook: server\/OPERATIONS\.md#(\w+)/g)].map(([, name]) => name);
    expect(linked).toEqual(named.map((name) => name.toLowerCase()));
    const sections = [...operations.matchAll(/^### (Rowlock\w+)$/gm)].map(([, name = '']) => name);
    expect(sections.toSorted()).toEqual(named.toSorted());
  });

  it('are where the compose file looks for them', () => {
    const mounted = [...compose.matchAll(/- \.\/(\S+?):/g)].map(([, path = '']) => path);
    expect(mounted.length).toBeGreaterThan(3);
    expect(mounted.filter((path) => !existsSync(new URL(`../../${path}`, import.meta.url)))).toEqual([]);
  });
});

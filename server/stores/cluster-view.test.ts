import { describe, expect, it } from 'vitest';
import { lockKey, stepKeys } from '../leases/keys.ts';
import { movedTo, readView, slotOf } from './cluster-view.ts';

it('all keys of a show are in one slot', () => {
  // As `CLUSTER KEYSLOT` has it.
  expect([slotOf('foo'), slotOf('pos:{foo}'), slotOf('123456789')]).toEqual([12_182, 12_182, 12_739]);
  expect(new Set(stepKeys('foo', ['A1', 'A2']).map(slotOf))).toEqual(new Set([slotOf('foo')]));
  expect(slotOf(lockKey('other', 'foo'))).toBe(slotOf('other'));
});

describe('readView', () => {
  const up = 'cluster_enabled:1\r\ncluster_state:ok\r\n';

  it('reads who serves what, and who else can be asked', () => {
    const slots = [
      [0, 8_000, ['10.0.0.1', 7_000, 'id', ['hostname', 'one']], ['10.0.0.3', 7_002, 'id', []]],
      [8_001, 16_383, ['', 7_001, 'id', []]],
    ];
    expect(readView(up, slots, 'asked')).toEqual({
      ranges: [
        { from: 0, to: 8_000, master: { host: '10.0.0.1', port: 7_000 } },
        { from: 8_001, to: 16_383, master: { host: 'asked', port: 7_001 } },
      ],
      nodes: [
        { host: '10.0.0.1', port: 7_000 },
        { host: '10.0.0.3', port: 7_002 },
        { host: 'asked', port: 7_001 },
      ],
    });
    expect(readView(up, [[0, 1, [null, 7_000, 'id', []]]], 'asked')?.ranges[0]?.master.host).toBe('asked');
  });

  it('passes over a master whose host nobody knows', () => {
    expect(readView(up, [[0, 16_383, ['?', 7_000, 'id', []]]], 'asked')?.ranges).toEqual([]);
  });

  it('believes nobody who sees no working cluster, and nothing of another form', () => {
    expect(readView('cluster_state:fail\r\n', [], 'asked')).toBeUndefined();
    expect(() => readView(up, [['0', 1]], 'asked')).toThrow();
  });
});

it('reads where a refusal sends its sender', () => {
  expect(movedTo('MOVED 3999 127.0.0.1:6381', 'asked')).toEqual({
    slot: 3_999,
    master: { host: '127.0.0.1', port: 6_381 },
  });
  expect(movedTo('MOVED 1 ::1:6381', 'asked')?.master).toEqual({ host: '::1', port: 6_381 });
  expect(movedTo('MOVED 1 :6381', 'asked')?.master.host).toBe('asked');
  for (const other of ['MOVED 1 ?:6381', 'MOVED 16384 one:1', 'MOVED __proto__ one:1', 'ASK 1 one:1', 'OOM'])
    expect(movedTo(other, 'asked')).toBeUndefined();
});

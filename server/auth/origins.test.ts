import { expect, it } from 'vitest';
import { isForeign } from './origins.ts';

const allowed = ['https://shop.example'];
const from = (origin: string | undefined, host: string | undefined = 'tickets.example:8080') =>
  isForeign({ origin, host }, allowed);

it('lets in what is listed, programs, and the pages of this server', () => {
  expect(from('https://shop.example')).toBe(false);
  expect(from(undefined)).toBe(false);
  expect(from('')).toBe(false);
  expect(from('http://tickets.example:8080')).toBe(false);
  // The proxy in front ends TLS and passes the name on.
  expect(from('https://tickets.example', 'tickets.example')).toBe(false);
});

it('lets in nobody else', () => {
  for (const origin of [
    'https://evil.example',
    'https://tickets.example',
    'http://tickets.example:8081',
    'http://tickets.example:8080.evil.example',
    'https://shop.example.evil',
    'http://shop.example',
    'null',
    'no origin',
  ])
    expect(from(origin), origin).toBe(true);
  // What has no host of its own is not the page of a request that names none.
  for (const origin of ['null', 'file://', 'data:,', 'https://evil.example'])
    for (const host of ['', undefined]) expect(isForeign({ origin, host }, allowed)).toBe(true);
});

it('lets everybody in where no list is', () => {
  expect(isForeign({ origin: 'https://evil.example', host: 'tickets.example' }, undefined)).toBe(false);
});

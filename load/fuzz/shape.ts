/** What the server uses while only the neighbour is connected. */
export interface Shape {
  readonly residentKib: number;
  readonly heapKib: number;
  readonly files: number;
  readonly connections: number;
  readonly redisKeys: number;
}

/** The server when nobody but the neighbour is there. */
export interface Shape {
  readonly residentKib: number;
  readonly heapKib: number;
  readonly files: number;
  readonly connections: number;
  readonly redisKeys: number;
}

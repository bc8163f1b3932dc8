/** The package has no declarations. */
declare module 'cluster-key-slot' {
  /** The slot of a key in a Redis Cluster, by its hash tag. */
  export default function keySlot(key: string): number;
}

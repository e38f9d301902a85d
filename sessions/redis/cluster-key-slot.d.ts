declare module 'cluster-key-slot' {
  /** The slot of a key or channel, 0 to 16383 (Redis Cluster specification, "key distribution model"). */
  function calculateSlot(key: string): number
  export = calculateSlot
}

// How scores spread over ten bins of ten points.

export interface Bin {
  /** Lower end. */
  readonly from: number
  readonly symbols: readonly string[]
}

export interface Spread {
  readonly bins: readonly Bin[]
  /** Without a score: in no bin. */
  readonly absent: readonly string[]
  readonly median: number | null
}

export function spreadOf(scores: readonly (readonly [string, number | null])[]): Spread {
  const bins: string[][] = Array.from({ length: 10 }, () => [])
  const absent: string[] = []
  const known: number[] = []
  for (const [symbol, score] of scores) {
    if (score === null) absent.push(symbol)
    else {
      bins[Math.max(0, Math.min(9, Math.floor(score / 10)))]?.push(symbol)
      known.push(score)
    }
  }
  known.sort((a, b) => a - b)
  const middle = known.length / 2
  const [low, high] = [known[Math.ceil(middle) - 1], known[Math.floor(middle)]]
  return {
    bins: bins.map((symbols, index) => ({ from: index * 10, symbols })),
    absent,
    median: low === undefined || high === undefined ? null : (low + high) / 2,
  }
}

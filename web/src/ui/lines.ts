// What lines over time are drawn from.

/** Times in seconds and values with a hole wherever the record has one: longer apart than `apartMs`. */
export function withHoles(
  times: readonly number[], series: readonly (readonly (number | null)[])[], apartMs: number,
): [number[], ...(number | null)[][]] {
  const seconds: number[] = []
  const lines: (number | null)[][] = series.map(() => [])
  times.forEach((time, index) => {
    const before = times[index - 1]
    if (before !== undefined && time - before > apartMs) {
      seconds.push((before + 1) / 1000)
      for (const line of lines) line.push(null)
    }
    seconds.push(time / 1000)
    lines.forEach((line, place) => line.push(series[place]?.[index] ?? null))
  })
  return [seconds, ...lines]
}

/** The last value that is there. */
export function lastOf(values: readonly (number | null)[]): number | null {
  return values.findLast((value) => value !== null) ?? null
}

/** Lowest and highest of what is there; null without any. */
export function reachOf(values: readonly (number | null)[]): readonly [number, number] | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : [Math.min(...known), Math.max(...known)]
}

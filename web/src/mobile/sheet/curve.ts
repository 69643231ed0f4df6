// A line through values as SVG paths.

export interface Curve {
  readonly line: string
  /** The line, and what is under it. */
  readonly area: string
}

/** Paths through values 0..100 from left to right; null for fewer than two, which are no line. */
export function curve(values: readonly number[], width: number, height: number): Curve | null {
  if (values.length < 2) return null
  const step = width / (values.length - 1)
  const margin = 4
  const points = values.map((value, index) => {
    const y = margin + (1 - value / 100) * (height - 2 * margin)
    return `${+(index * step).toFixed(1)} ${+y.toFixed(1)}`
  })
  const line = `M${points.join("L")}`
  return { line, area: `${line}L${width} ${height}L0 ${height}Z` }
}

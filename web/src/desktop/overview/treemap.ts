// Tiles whose areas are in proportion to their sizes, as square as can be.

export interface Tile {
  readonly name: string
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export interface Sized {
  readonly name: string
  /** Above nought. */
  readonly size: number
}

/** The worst ratio of sides in a strip of these areas along a side. */
function worst(areas: readonly number[], side: number): number {
  const sum = areas.reduce((total, area) => total + area, 0)
  return Math.max(...areas.map((area) => Math.max((side * side * area) / (sum * sum), (sum * sum) / (side * side * area))))
}

/** Strips along the shorter side of what is left, each as long as its tiles get more square by it
 *  (Bruls, Huizing and van Wijk, Squarified Treemaps, 2000). Largest first, from the top left. */
export function treemap(sized: readonly Sized[], width: number, height: number): Tile[] {
  const known = sized.filter(({ size }) => size > 0)
  const total = known.reduce((sum, { size }) => sum + size, 0)
  if (total === 0 || width <= 0 || height <= 0) return []
  const left = [...known].sort((a, b) => b.size - a.size || (a.name < b.name ? -1 : 1))
    .map(({ name, size }) => ({ name, area: (size / total) * width * height }))
  const tiles: Tile[] = []
  let [x, y, wide, tall] = [0, 0, width, height]
  let first = 0
  while (first < left.length) {
    const side = Math.min(wide, tall)
    let end = first + 1
    const areasTo = (last: number): number[] => left.slice(first, last).map(({ area }) => area)
    while (end < left.length && worst(areasTo(end + 1), side) <= worst(areasTo(end), side)) end += 1
    const strip = left.slice(first, end)
    const sum = strip.reduce((all, { area }) => all + area, 0)
    const thick = side > 0 ? sum / side : 0
    let along = 0
    for (const { name, area } of strip) {
      const long = thick > 0 ? area / thick : 0
      tiles.push(wide >= tall
        ? { name, left: x, top: y + along, width: thick, height: long }
        : { name, left: x + along, top: y, width: long, height: thick })
      along += long
    }
    if (wide >= tall) [x, wide] = [x + thick, wide - thick]
    else [y, tall] = [y + thick, tall - thick]
    first = end
  }
  return tiles
}

// Rows by one column: what is not known stands last either way, what is equal by name.

export interface Column {
  readonly key: string
  readonly title: string
  readonly unit?: string
  readonly tip: string
  /** A track of the grid: `96px`, `minmax(120px, 1fr)`. */
  readonly width: string
  readonly left?: boolean
  /** It does not sort. */
  readonly still?: boolean
}

export interface Order {
  readonly key: string
  readonly descending: boolean
}

/** What a row has in a column. */
export type Valued<T> = (row: T, key: string) => number | string | null

/** `-beta`: a minus is descending; what is unknown is the fallback. */
export function orderOf(text: string | undefined, columns: readonly Column[], fallback: Order): Order {
  const key = (text ?? "").replace(/^-/, "")
  const known = columns.some((column) => column.key === key && column.still !== true)
  return known ? { key, descending: (text ?? "").startsWith("-") } : fallback
}

/** As it stands in the address; the fallback is nothing. */
export function orderText(order: Order, fallback: Order): string {
  return order.key === fallback.key && order.descending === fallback.descending ? "" : (order.descending ? "-" : "") + order.key
}

/** A click on a header: numbers fall first, names rise first; a second click turns them round. */
export function turned(order: Order | null, column: Column): Order {
  if (order?.key === column.key) return { key: column.key, descending: !order.descending }
  return { key: column.key, descending: column.left !== true }
}

export function ordered<T extends { readonly symbol: string }>(rows: readonly T[], order: Order | null, value: Valued<T>): T[] {
  if (order === null) return [...rows]
  return [...rows].sort((a, b) => {
    const [left, right] = [value(a, order.key), value(b, order.key)]
    if (left !== right) {
      if (left === null) return 1
      if (right === null) return -1
      return left < right === order.descending ? 1 : -1
    }
    return a.symbol < b.symbol ? -1 : a.symbol > b.symbol ? 1 : 0
  })
}

// Columns and saved views of the board, kept in this browser.

import { loadList, save } from "../../ui/stored"
import { type ColumnId, columnsOf } from "./columns"

/** What a view brings back; columns null leaves those that are shown. */
export interface View {
  readonly name: string
  readonly sort: string
  readonly chips: string
  readonly text: string
  readonly columns: readonly ColumnId[] | null
}

const view = (name: string, sort: string, chips = ""): View => ({ name, sort, chips, text: "", columns: null })

/** What traders ask for first. */
export const BUILT_IN: readonly View[] = [
  view("All, highest first", ""),
  view("All, lowest first", "score"),
  view("Largest volume", "-turnover"),
  view("Movers, 24 h", "-change"),
  view("Highest funding", "-funding,-oi"),
  view("Most certain", "-confidence,-score"),
]

export const MOST_VIEWS = 20

function read(kept: readonly unknown[]): readonly View[] {
  return kept.slice(0, MOST_VIEWS).flatMap((each): View[] => {
    if (typeof each !== "object" || each === null) return []
    const { name, sort, chips, text, columns } = each as Record<string, unknown>
    if (typeof name !== "string" || name === "") return []
    const words = (value: unknown): string => (typeof value === "string" ? value : "")
    return [{
      name, sort: words(sort), chips: words(chips), text: words(text),
      columns: Array.isArray(columns) ? columnsOf(columns) : null,
    }]
  })
}

class Views {
  columns: readonly ColumnId[] = $state.raw(columnsOf(loadList("columns")))
  saved: readonly View[] = $state.raw(read(loadList("views")))
  /** Whether the columns are not the usual ones. */
  readonly arranged = $derived(this.columns.join() !== columnsOf([]).join())

  show(columns: readonly ColumnId[]): void {
    this.columns = columns
    save("columns", JSON.stringify(columns))
  }

  /** Keep a view; one of the same name is replaced. */
  keep(made: View): void {
    this.#write([...this.saved.filter(({ name }) => name !== made.name), made].slice(-MOST_VIEWS))
  }

  drop(name: string): void {
    this.#write(this.saved.filter((each) => each.name !== name))
  }

  #write(views: readonly View[]): void {
    this.saved = views
    save("views", JSON.stringify(views))
  }
}

export const views = new Views()

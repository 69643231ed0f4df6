// The cells of a row as elements of the page, written by hand: of some 600 in sight most change with each
// update, so each remembers what it shows and touches the page only where that is another.

import type { Attachment } from "svelte/attachments"

import type { Row } from "../../feed/board.svelte"
import { MARKS, type Shown, originName, reasonText } from "../../feed/freshness"
import { HEIGHT, type Lines, WIDTH } from "../../feed/sparklines.svelte"
import { age, clock, compact, instant, number, percentOfFraction, price, signed, time } from "../../ui/format"
import { tell } from "../../ui/tips"
import { GLYPHS, componentText, coverageText, directionClass, side, step } from "../../ui/words"
import { COMPONENT_ORDER, type ComponentName, type ScoreRow, ScoreRowColumn as C } from "../../wire/types"
import type { ColumnId } from "./columns"

/** What a row shows at one moment. */
export interface Facts {
  readonly row: Row
  readonly data: ScoreRow
  /** The board of then, not of now. */
  readonly past: boolean
  readonly scoreState: Shown
  readonly quoteState: Shown
  readonly priceAge: number | null
  readonly lines: Lines | undefined
  /** Under this coverage a score is null. */
  readonly floor: number | undefined
}

/** One cell: its element, and what shows the facts on it. */
export interface Cell {
  readonly element: HTMLElement
  readonly write: (facts: Facts) => void
}

type Value = number | string | null

const still = matchMedia("(prefers-reduced-motion: reduce)")
const FLASH_MS = 400
const FLASH_EVERY_MS = 500
const NOT_KEPT = "Not kept with the board of then"
const TURNS = "Judged each full minute: it turns when three in a row are beyond 70 or 30,\nand is left between 40 and 60, unless set otherwise"

function made(tag: string, classes: string, ...children: Node[]): HTMLElement {
  const element = document.createElement(tag)
  element.className = classes
  element.append(...children)
  return element
}

function hidden(element: HTMLElement): HTMLElement {
  element.ariaHidden = "true"
  return element
}

/** Calls `write` with a value that is another than the last. */
function onChange<V>(write: (value: V) => void): (value: V) => void {
  let last: V | undefined
  return (value) => {
    if (value === last) return
    last = value
    write(value)
  }
}

/** An empty cell; with a tip it can have the focus. */
function cellOf(name: string, classes: string, tip?: () => string): HTMLElement {
  const element = made("div", classes)
  element.role = "cell"
  element.dataset["cell"] = name
  if (tip !== undefined) {
    element.tabIndex = -1
    tell(element, tip)
  }
  return element
}

function stateOf(element: HTMLElement): (state: Shown) => void {
  return onChange((state) => (element.dataset["state"] = state))
}

function textOf(parent: HTMLElement): (text: string) => void {
  const node = parent.appendChild(new Text(""))
  return onChange((text) => (node.data = text))
}

interface Figure {
  readonly name: string
  readonly classes: string
  readonly of: "scoreState" | "quoteState"
  readonly value: (data: ScoreRow) => number | null
  readonly text: (value: number | null) => string
  /** Whether its colour says which side it is on. */
  readonly sided?: boolean
  readonly tip?: (facts: Facts) => string
}

/** A cell of one number. */
function figure({ name, classes, of, value, text, sided, tip }: Figure): Cell {
  let facts: Facts
  const element = cellOf(name, classes, tip && (() => tip(facts)))
  const words = textOf(element)
  const state = stateOf(element)
  const look = onChange((look: string) => (element.className = `${classes} ${look}`))
  const show = onChange((value: number | null) => {
    words(text(value))
    if (sided) look(side(value))
  })
  return {
    element,
    write(now) {
      facts = now
      state(now[of])
      show(value(now.data))
    },
  }
}

function direction(): Cell {
  const element = cellOf("direction", "direction", () => TURNS)
  const state = stateOf(element)
  const show = onChange((found: ScoreRow[typeof C.direction]) => {
    element.className = `direction ${directionClass(found)}`
    if (found === null) element.replaceChildren(made("span", "faint", new Text("—")))
    else element.replaceChildren(hidden(made("span", "glyph", new Text(GLYPHS[found]))), found)
  })
  return {
    element,
    write({ data, scoreState }) {
      state(scoreState)
      show(data[C.direction])
    },
  }
}

function component(name: ComponentName, index: number): Cell {
  let words = ""
  const element = cellOf("component", "", () => words)
  element.dataset["component"] = name
  const text = textOf(element)
  const look = onChange((look: string) => (element.className = `heat ${look}`))
  const show = (value: number | null, reason: ScoreRow[typeof C.reason]): void => {
    words = componentText(name, value, reason)
    element.ariaLabel = words
    text(value === null ? "—" : String(Math.round(value)))
    look(value === null ? "none" : `h${step(value)}`)
  }
  let shown: Value | undefined
  return {
    element,
    write({ data }) {
      const value = data[C.components][index] ?? null
      const reason = data[C.reasons]?.[index] ?? null
      const now = value ?? reason
      if (now === shown) return
      shown = now
      show(value, reason)
    },
  }
}

/** A small line, without axes: a path, or nothing. */
function line(name: string, of: Figure["of"], path: (lines: Lines) => string, middle: boolean, tip: (facts: Facts) => string): Cell {
  let facts: Facts
  const element = cellOf(name, "spark", () => tip(facts))
  const state = stateOf(element)
  const svg = (tag: string, attributes: Readonly<Record<string, string | number>>): SVGElement => {
    const found = document.createElementNS("http://www.w3.org/2000/svg", tag)
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, String(value))
    return found
  }
  const show = onChange((d: string) => {
    if (d === "") return element.replaceChildren()
    const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" })
    if (middle) drawn.append(svg("path", { class: "middle", d: `M0 ${HEIGHT / 2}H${WIDTH}` }))
    drawn.append(svg("path", { class: "line", d }))
    element.replaceChildren(drawn)
  })
  return {
    element,
    write(now) {
      facts = now
      state(now[of])
      show(now.lines === undefined ? "" : path(now.lines))
    },
  }
}

function record(): Cell {
  const element = cellOf("record", "num small faint", () => "Unproven: what followed such scores has not been measured, so nothing is said of it")
  element.append("— unproven")
  return { element, write: () => undefined }
}

function quoteTip({ row, data, past, quoteState }: Facts): string {
  return data[C.price] === null
    ? `No price: ${reasonText(data[C.price_reason])}`
    : `${past ? "Said at" : "Price of"} ${instant(data[C.price_as_of])}, ${quoteState}\n${originName(row.source, row.venue)}`
}

/** The price; a tint when it moves, at most two a second, and none while it is not live. */
function quote(): Cell {
  let facts: Facts
  const element = cellOf("price", "num price", () => quoteTip(facts))
  const tinted = element.appendChild(made("span", "tinted"))
  const state = stateOf(element)
  const text = textOf(tinted)
  let shown: number | null = null
  let flashedAt = -FLASH_EVERY_MS
  const flash = (rising: boolean): void => {
    const at = performance.now()
    if (at - flashedAt < FLASH_EVERY_MS || still.matches) return
    flashedAt = at
    tinted.animate([{ backgroundColor: rising ? "var(--up-tint)" : "var(--down-tint)" }, { backgroundColor: "transparent" }], FLASH_MS)
  }
  return {
    element,
    write(now) {
      facts = now
      const last = now.data[C.price]
      state(now.quoteState)
      text(price(last))
      if (shown !== null && last !== null && last !== shown && now.quoteState === "live") flash(last > shown)
      shown = last
    },
  }
}

function aged(): Cell {
  let facts: Facts
  const element = cellOf("age", "num age", () => quoteTip(facts))
  const mark = textOf(element.appendChild(hidden(made("span", "mark"))))
  const words = textOf(element.appendChild(made("span", "")))
  const state = stateOf(element)
  return {
    element,
    write(now) {
      facts = now
      const at = now.data[C.price_as_of]
      state(now.quoteState)
      mark(MARKS[now.quoteState])
      words(now.quoteState === "absent" ? "" : now.past && at !== null ? time(at).slice(0, 5) : age(now.priceAge))
    },
  }
}

function scoreTip({ row, data, scoreState, floor }: Facts): string {
  const score = data[C.score]
  return score === null
    ? `No score: ${reasonText(data[C.reason])}, ${coverageText(data[C.coverage], floor)}`
    : `Score ${number(score, 2)}, ${scoreState}\noldest input ${data[C.oldest_input] ?? "unknown"}, ${instant(data[C.as_of])}\nsource ${row.source}`
}

/** The score with its bar: centre 50 is no pressure, and it grows to the side the score leans to. */
export function scored(): Cell {
  let facts: Facts
  const element = cellOf("score", "score", () => scoreTip(facts))
  const why = element.appendChild(hidden(made("span", "why")))
  const track = hidden(made("span", "track"))
  const value = hidden(made("b", ""))
  value.dataset["value"] = ""
  element.append(track, value)
  const state = stateOf(element)
  const reason = textOf(why)
  const text = textOf(value)
  const look = onChange((look: string) => (element.className = `score ${look}`))
  const label = onChange((label: string) => (element.ariaLabel = label))
  const bar = onChange((end: number) => {
    // a background and no element, so that nothing is laid out; whole percents are less than a pixel
    const size = Math.abs(end - 50)
    track.style.backgroundSize = `${size}%`
    track.style.backgroundPositionX = `${(100 * Math.min(50, end)) / (100 - size)}%`
  })
  return {
    element,
    write(now) {
      facts = now
      const { data, scoreState } = now
      const score = data[C.score]
      const shown = number(score, 1)
      state(scoreState)
      text(shown)
      if (score === null) {
        reason(reasonText(data[C.reason]))
        look("none")
        label(`no score, ${reasonText(data[C.reason])}`)
      } else {
        const way = data[C.direction]
        look(score < 50 ? "falling" : "")
        bar(Math.round(score))
        label(`score ${shown} of 100${way === null ? "" : `, ${way}`}`)
      }
    },
  }
}

const one = (kind: Figure) => (): Cell[] => [figure(kind)]

const MADE: Readonly<Record<ColumnId, () => Cell[]>> = {
  live: one({ name: "live", classes: "num small", of: "scoreState", value: (data) => data[C.live_score], text: (value) => number(value, 1) }),
  delta: one({
    name: "delta", classes: "num", of: "scoreState", value: (data) => data[C.score_change_1h], text: (value) => signed(value, 1), sided: true,
    tip: ({ data, past }) =>
      data[C.score_change_1h] !== null ? `Against the score of an hour ago, at ${instant(data[C.as_of])}`
        : past ? NOT_KEPT : "No change yet: no score of an hour ago is kept",
  }),
  direction: () => [direction()],
  confidence: one({ name: "confidence", classes: "num", of: "scoreState", value: (data) => data[C.confidence], text: (value) => number(value, 0) }),
  components: () => COMPONENT_ORDER.map(component),
  trend: () => [line("trend", "scoreState", ({ score }) => score, true, ({ lines, past }) =>
    lines?.score ? `Scores since ${clock(lines.since)}; the middle is 50` : past ? NOT_KEPT : "No line yet: fewer than two scores are kept")],
  record: () => [record()],
  price: () => [quote()],
  day: () => [line("day", "quoteState", (lines) => lines.price, false, ({ lines, past }) =>
    lines?.price ? `Half-hour closes of 24 hours\nbetween ${price(lines.low)} and ${price(lines.high)}` : past ? NOT_KEPT : "No line: no half-hour closes")],
  age: () => [aged()],
  change: one({ name: "change", classes: "num", of: "quoteState", value: (data) => data[C.change_24h], text: (value) => signed(value, 2), sided: true }),
  turnover: one({ name: "turnover", classes: "num", of: "quoteState", value: (data) => data[C.volume_24h], text: compact }),
  funding: one({ name: "funding", classes: "num", of: "quoteState", value: (data) => data[C.funding], text: (value) => percentOfFraction(value) }),
  oi: one({ name: "oi", classes: "num", of: "quoteState", value: (data) => data[C.oi_change_1h], text: (value) => signed(value, 2), sided: true }),
}

/** New cells of these columns, in their order. */
export function cellsOf(columns: readonly ColumnId[]): readonly Cell[] {
  return columns.flatMap((id) => MADE[id]())
}

/** Puts cells behind what an element holds, as long as it holds them. */
export function holding(cells: readonly Cell[]): Attachment {
  const elements = cells.map(({ element }) => element)
  return (parent) => {
    parent.append(...elements)
    return () => {
      for (const element of elements) element.remove()
    }
  }
}

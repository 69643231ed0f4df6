// uPlot as the pages use it, loaded on demand: lines over time, and points with a line through them.

import "uplot/dist/uPlot.min.css"

import uPlot from "uplot"

import { shifted } from "./format"

export interface Palette {
  readonly ink: string
  readonly faint: string
  readonly line: string
  readonly fresh: string
}

function palette(element: Element): Palette {
  const style = getComputedStyle(element)
  const read = (name: string): string => style.getPropertyValue(name).trim()
  return { ink: read("--score-line"), faint: read("--faint"), line: read("--line"), fresh: read("--fresh") }
}

/** Fewer points than this are drawn as points too: a line needs two. */
const FEW = 30

const FONT = '11px Inter, -apple-system, "Segoe UI", Roboto, sans-serif'

function axis(colours: Palette, size: number, values: uPlot.Axis.Values, space = 44): uPlot.Axis {
  return {
    stroke: colours.faint, font: FONT, size, gap: 4, space, values,
    grid: { stroke: colours.line, width: 1 }, ticks: { show: false },
  }
}

/** The chosen zone's parts of a second, as the local ones of a date. */
function inZone(seconds: number): Date {
  const date = shifted(seconds * 1000)
  return new Date(date.getTime() + date.getTimezoneOffset() * 60_000)
}

function clockText(seconds: number): string {
  return shifted(seconds * 1000).toISOString().slice(11, 16)
}

export interface LinesOptions {
  readonly width: number
  readonly height: number
  /** Of the values; null where they choose it themselves. */
  readonly range: readonly [number, number] | null
  readonly count: number
  readonly text: (value: number) => string
  /** Charts of the same name share their pointer. */
  readonly sync: string
  /** Told where the pointer is: an index, or null. */
  readonly onpoint: (index: number | null) => void
}

/** Lines over time; `data` is seconds, then a series each, null where there is a hole. */
export function lines(element: HTMLElement, data: uPlot.AlignedData, options: LinesOptions): uPlot {
  const colours = palette(element)
  const strokes = [colours.fresh, colours.ink, colours.faint]
  const dashes = [[], [], [4, 3]]
  return new uPlot(
    {
      width: options.width, height: options.height, tzDate: inZone, padding: [8, 8, 0, 0], legend: { show: false },
      cursor: { sync: { key: options.sync }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
      scales: { x: { time: true }, y: options.range === null ? {} : { range: [...options.range] as [number, number] } },
      axes: [
        axis(colours, 20, (_, splits) => splits.map(clockText), 64),
        axis(colours, 48, (_, splits) => splits.map((value) => options.text(value)), 26),
      ],
      series: [
        {},
        ...Array.from({ length: options.count }, (_, index) => ({
          stroke: strokes[index % 3] ?? colours.ink, width: 1.5, dash: dashes[index % 3] ?? [], points: { show: data[0].length < FEW, size: 4 }, spanGaps: false,
        })),
      ],
      hooks: { setCursor: [(plot) => options.onpoint(plot.cursor.idx ?? null)] },
    },
    data, element,
  )
}

export interface ScatterOptions {
  readonly width: number
  readonly height: number
  /** Half of each axis, in the unit of the points. */
  readonly reach: readonly [number, number]
  readonly slope: number | null
  readonly xLabel: string
  readonly yLabel: string
}

/** Points around the origin, and a line of this slope through it. */
export function scatter(element: HTMLElement, xs: readonly number[], ys: readonly number[], options: ScatterOptions): uPlot {
  const colours = palette(element)
  const { reach, slope } = options
  const draw = (plot: uPlot): void => {
    const { ctx } = plot
    const at = (value: number, scale: "x" | "y"): number => plot.valToPos(value, scale, true)
    ctx.save()
    ctx.beginPath()
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height)
    ctx.clip()
    ctx.fillStyle = colours.fresh
    ctx.globalAlpha = 0.55
    const size = 1.6 * devicePixelRatio
    xs.forEach((x, index) => {
      ctx.beginPath()
      ctx.arc(at(x, "x"), at(ys[index] ?? 0, "y"), size, 0, 2 * Math.PI)
      ctx.fill()
    })
    if (slope !== null) {
      ctx.globalAlpha = 1
      ctx.strokeStyle = colours.ink
      ctx.lineWidth = 1.5 * devicePixelRatio
      ctx.beginPath()
      ctx.moveTo(at(-reach[0], "x"), at(-reach[0] * slope, "y"))
      ctx.lineTo(at(reach[0], "x"), at(reach[0] * slope, "y"))
      ctx.stroke()
    }
    ctx.restore()
  }
  const percent = (_: uPlot, splits: number[]): string[] => splits.map((value) => String(+value.toFixed(2)).replace("-", "−"))
  return new uPlot(
    {
      width: options.width, height: options.height, padding: [8, 12, 0, 0], legend: { show: false }, cursor: { show: false },
      scales: { x: { time: false, range: [-reach[0], reach[0]] }, y: { range: [-reach[1], reach[1]] } },
      axes: [
        { ...axis(colours, 24, percent), label: options.xLabel, labelSize: 18, labelFont: FONT },
        { ...axis(colours, 44, percent, 32), label: options.yLabel, labelSize: 18, labelFont: FONT },
      ],
      series: [{}, { paths: () => null, points: { show: false } }],
      hooks: { draw: [draw] },
    },
    [[-reach[0], 0, reach[0]], [null, null, null]], element,
  )
}

export type { uPlot }

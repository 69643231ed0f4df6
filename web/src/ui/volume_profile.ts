// Volume by price of the candles in sight, drawn behind them from the right, clear of the labels.

import type { IPrimitivePaneRenderer, IPrimitivePaneView, ISeriesApi, ISeriesPrimitive, SeriesAttachedParameter, SeriesType, Time } from "lightweight-charts"

import type { ProfileBin } from "./chart_data"

/** Share of the pane's width that the largest bar takes, and the gap to its right edge, pixels. */
const LONGEST = 0.16
const MARGIN = 8

export class VolumeProfile implements ISeriesPrimitive<Time> {
  #bins: readonly ProfileBin[] = []
  #color = ""
  #series: ISeriesApi<SeriesType> | null = null
  #redraw: () => void = () => undefined
  readonly #renderer: IPrimitivePaneRenderer = {
    draw: (target) => target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio, verticalPixelRatio }) => {
      const most = Math.max(...this.#bins.map((bin) => bin.volume))
      if (this.#series === null || !(most > 0)) return
      context.fillStyle = this.#color
      context.globalAlpha = 0.3
      const right = bitmapSize.width - MARGIN * horizontalPixelRatio
      for (const { low, high, volume } of this.#bins) {
        const top = this.#series.priceToCoordinate(high)
        const bottom = this.#series.priceToCoordinate(low)
        if (top === null || bottom === null) continue
        const width = (volume / most) * LONGEST * bitmapSize.width
        context.fillRect(right - width, top * verticalPixelRatio, width, Math.max(1, (bottom - top) * verticalPixelRatio - 1))
      }
      context.globalAlpha = 1
    }),
  }
  readonly #view: IPrimitivePaneView = { zOrder: () => "bottom", renderer: () => this.#renderer }

  attached({ series, requestUpdate }: SeriesAttachedParameter<Time>): void {
    this.#series = series
    this.#redraw = requestUpdate
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.#bins.length === 0 ? [] : [this.#view]
  }

  paint(color: string): void {
    this.#color = color
    this.#redraw()
  }

  show(bins: readonly ProfileBin[]): void {
    this.#bins = bins
    this.#redraw()
  }
}

/// Tells when an origin delivers too slowly to sustain the stream, before the buffer runs dry.
///
/// What counts is the media received in a second against a second: its ratio, in thousandths. Below 1000 the buffer
/// shrinks, and will be dry after what it holds divided by what is missing. That is told once the buffer has shrunk
/// further than the origin's lumps explain, and for long enough: a quarter of the time that is left, or four seconds.
///
/// | buffer | ratio | dry after | told after about |
/// | --- | --- | --- | --- |
/// | 0.5 s | 500 | 1 s | 0.2 s |
/// | 2 s | 500 | 4 s | 0.8 s |
/// | 2 s | 800 | 10 s | 2 s |
/// | 2 s | 950 | 40 s | 4 s |
///
/// A full buffer that reads nothing says nothing of the origin. Pictures that cost more bytes than the others make the
/// buffer shrink too: as long as the origin sends as many bytes as the stream needs on average, that passes, and is told
/// only when the buffer is about to be dry. A silence is not slow delivery, but `DeadlinePolicy`'s business.
package struct DeliveryForecast: Sendable {
    package struct Settings: Sendable {
        /// Below this ratio it is slow.
        package var slowBelow: Int
        /// From this ratio on it is slow no longer.
        package var recoveredFrom: Int
        /// As long as that is watched at the most before it is told.
        package var patience: Duration
        /// When the buffer will be dry within this, nothing excuses it.
        package var lastCall: Duration

        package init(
            slowBelow: Int = 970, recoveredFrom: Int = 990, patience: Duration = .seconds(4),
            lastCall: Duration = .milliseconds(600)
        ) {
            self.slowBelow = min(max(1, slowBelow), 999)
            self.recoveredFrom = max(self.slowBelow, recoveredFrom)
            self.patience = max(.milliseconds(100), patience)
            self.lastCall = max(.zero, lastCall)
        }
    }

    package struct Forecast: Hashable, Sendable {
        /// Media received in a second, in thousandths of a second.
        package let ratio: Int
        /// Bytes received in a second, in thousandths of what a second of the stream takes on average; nil if unknown.
        package let byteRatio: Int?
        /// Media in the buffer.
        package let level: Duration
        /// When the buffer will be dry.
        package let dryAt: Instant
        /// For how long that was watched.
        package let span: Duration

        package init(ratio: Int, byteRatio: Int?, level: Duration, dryAt: Instant, span: Duration) {
            self.ratio = ratio
            self.byteRatio = byteRatio
            self.level = level
            self.dryAt = dryAt
            self.span = span
        }
    }

    package enum News: Hashable, Sendable {
        case slow(Forecast)
        case recovered
    }

    private struct Sample: Sendable {
        let at: Instant
        /// Media received in all, less the time that has passed: it falls while delivery is slow.
        var surplus: Duration
        var bytes: Int
    }

    /// Samples within this of each other are one: the last of a lump counts.
    private static let grain: Duration = .milliseconds(50)
    /// How far back is looked, and at how many samples.
    private static let window: Duration = .seconds(60)
    private static let sampleLimit = 96
    /// The buffer must shrink by this, and by what lumps explain.
    private static let leastDecline: Duration = .milliseconds(60)
    /// The most that the buffer has held.
    private var most: Duration = .zero
    /// A pause that is longer, and far longer than is usual and than what came before it lasts, is a silence.
    private static let silence: Duration = .milliseconds(500)
    /// Media that was read ahead and is only estimated.
    private static let mostCredit: Duration = .milliseconds(500)
    /// Media after which the average rate is known.
    private static let learning: Duration = .seconds(1)
    /// An origin that sends so much is not slow, whatever becomes of it: a container may have to be read ahead of its order.
    private static let ample = 1200
    /// One that sends so little is, whatever it sends.
    private static let scarce = 700

    package let settings: Settings
    /// Bytes of a second of the stream, if somebody knows.
    private let nominalByteRate: Int?
    private var rhythm = ArrivalRhythm()
    private var last: (at: Instant, level: Duration, reached: Duration?)?
    private var surplus: Duration = .zero
    private var samples: [Sample] = []
    /// Bytes and media since the beginning.
    private var allBytes = 0
    /// The same bytes; where media is made of them out of order, those of which it was made: what was received before
    /// anything was counted is media now, too.
    private var countedBytes = 0
    private var allMedia: Duration = .zero
    /// Media that came at once the last time.
    private var lump: Duration = .zero
    private var lumpBegan: Instant?
    /// The longest pause lately, fading: what was missed in it may still be on its way.
    private var pause: Duration = .zero
    /// When the last pause ended that was as long as a silence.
    private var lastSilence: Instant?
    /// Bytes came of which no media was made at once, and not for want of a few more.
    private var isReadAhead = false
    private var unpacked = UnpackedBytes()
    /// The media that they stand for.
    private var credit: Duration = .zero
    private var beginsAnew = true
    private var toldSlow = false
    /// The last forecast, while it is slow.
    package private(set) var forecast: Forecast?

    /// - Parameter nominalByteRate: bytes of a second of the stream on average, such as its length over its duration; nil
    ///   where that is to be learned.
    package init(settings: Settings = Settings(), nominalByteRate: Int? = nil) {
        self.settings = settings
        self.nominalByteRate = nominalByteRate.flatMap { $0 > 0 ? $0 : nil }
    }

    /// Bytes came. Called for every batch.
    ///
    /// - Parameters:
    ///   - level: time until the media in the buffer is used up, with what came.
    ///   - reached: up to where the flows came on the average, from any beginning: a container may bring them one after
    ///     another. Nil where they come together.
    ///   - unpacked: how many of the bytes no media was made of yet, less those of before of which it was now: a demuxer may
    ///     have to read a whole fragment before it knows what comes first. They count as media at the average rate.
    ///   - inOrder: as in `UnpackedBytes`.
    ///   - isPlaying: media was used up since the last call.
    package mutating func received(
        bytes: Int, unpacked: Int = 0, inOrder: Bool = false, level: Duration, reached: Duration? = nil,
        isPlaying: Bool = true, at now: Instant
    ) -> News? {
        let level = max(.zero, level)
        defer { last = (now, level, reached) }
        most = max(most, level)
        rhythm.arrived(at: now)
        defer { rhythm.waitBegan(at: now) }
        guard let last, now >= last.at else {
            beginAnew(at: now)
            return nil
        }
        let passed = now - last.at
        let media =
            gain(reached) ?? max(.zero, level - (isPlaying ? max(.zero, last.level - passed) : last.level))
        isReadAhead = isReadAhead || unpacked != 0 && !inOrder
        note(bytes: bytes, counted: inOrder ? bytes : bytes - unpacked, media: media)
        self.unpacked.received(bytes, unpacked: unpacked, inOrder: inOrder)
        let credited = duration(of: self.unpacked.count)
        surplus += media + credited - credit - passed
        credit = credited
        pause = max(passed, pause - passed / 2)
        defer { noteLump(media, at: now) }
        // Before anything is known of its lumps they may be long.
        let usual = rhythm.usualPause.map { $0 * 5 / 2 } ?? (lump > .zero ? .zero : .seconds(2))
        let isSilence = passed > max(Self.silence, usual)
        defer { if isSilence { lastSilence = now } }
        // Lumps that are slow come with a pause before each; one that stands alone is none of theirs.
        let standsAlone = lastSilence.map { now - $0 > settings.patience } ?? true
        if beginsAnew || isSilence && (standsAlone || passed > lump * 3) {
            beginAnew(at: now)
            return nil
        }
        keep(Sample(at: now, surplus: surplus, bytes: allBytes))
        return judge(level: level, at: now)
    }

    /// Tells how many bytes a second of the stream takes on the average, by what was received before the first picture was
    /// presented; that says nothing of how fast the origin delivers.
    package mutating func learned(bytes: Int, media: Duration) {
        note(bytes: bytes, counted: bytes, media: max(.zero, media))
    }

    /// The buffer is full, and nothing is read: the origin keeps up. Called when it fills, and when there is room again.
    ///
    /// - Parameters: as above; `bytes` came with the last of it.
    package mutating func bufferIsFull(
        bytes: Int = 0, unpacked: Int = 0, inOrder: Bool = true, level: Duration, reached: Duration? = nil,
        isPlaying: Bool = true, at now: Instant
    ) -> News? {
        if let last, now >= last.at {
            let gained = max(.zero, level - (isPlaying ? max(.zero, last.level - (now - last.at)) : last.level))
            let media = gain(reached) ?? gained
            note(bytes: bytes, counted: inOrder ? bytes : bytes - unpacked, media: media)
            noteLump(media, at: now)
        }
        last = (now, max(.zero, level), reached)
        most = max(most, level)
        beginAnew(at: now)
        rhythm.waitEnded()
        guard toldSlow else { return nil }
        toldSlow = false
        forecast = nil
        return .recovered
    }

    /// Pause, seek, another rate of playing: what was seen before says nothing of what comes, and what was told is over.
    package mutating func interrupted() {
        restart()
        toldSlow = false
        forecast = nil
    }

    /// What comes says nothing for a while; what was told holds until more is known.
    package mutating func suspended() { restart() }

    /// Another origin delivers from now on.
    package mutating func originChanged() {
        restart()
        rhythm.originChanged()
        (lump, lumpBegan, pause, lastSilence) = (.zero, nil, .zero, nil)
        toldSlow = false
        forecast = nil
    }

    /// Media received in a second over the last seconds, in thousandths of a second; nil before there is enough to tell.
    package var ratio: Int? {
        guard let first = samples.first, let last = samples.last, last.at - first.at >= .seconds(1) else { return nil }
        return ratio(from: first, to: last)
    }

    private mutating func restart() {
        last = nil
        unpacked.restart()
        credit = .zero
        samples = []
        beginsAnew = true
        rhythm.waitEnded()
    }

    private mutating func beginAnew(at now: Instant) {
        samples = [Sample(at: now, surplus: surplus, bytes: allBytes)]
        beginsAnew = false
    }

    /// How long so many bytes play on the average; nothing while that is not known.
    private func duration(of bytes: Int) -> Duration {
        if let nominalByteRate { return .seconds(1) * bytes / nominalByteRate }
        let made = made
        guard made > 0, allMedia >= Self.learning else { return .zero }
        return .nanoseconds(Int64(bytes).scaled(by: allMedia.wholeNanoseconds, over: Int64(made)) ?? 0)
    }

    private func gain(_ reached: Duration?) -> Duration? {
        guard let reached, let before = last?.reached else { return nil }
        return max(.zero, reached - before)
    }

    /// Bytes of which the media was made.
    private var made: Int { isReadAhead ? countedBytes : countedBytes - unpacked.count }

    private mutating func note(bytes: Int, counted: Int, media: Duration) {
        allBytes += min(max(0, bytes), 1 << 40)
        countedBytes += min(max(0, counted), 1 << 40)
        allMedia += min(media, .seconds(3600))
        // The average forgets what was long ago.
        guard allMedia > .seconds(600) else { return }
        let dropped = allBytes / 2
        allBytes -= dropped
        allMedia = allMedia / 2
        countedBytes -= countedBytes / 2
        for index in samples.indices { samples[index].bytes -= dropped }
    }

    private mutating func noteLump(_ media: Duration, at now: Instant) {
        guard media > .zero else { return }
        if let lumpBegan, now - lumpBegan < .milliseconds(10) {
            lump = min(lump + media, .seconds(60))
        } else {
            (lump, lumpBegan) = (media, now)
        }
    }

    private mutating func keep(_ sample: Sample) {
        if let before = samples.last, samples.count > 1, sample.at - before.at < Self.grain,
            sample.at - samples[samples.count - 2].at < Self.grain * 2
        {
            samples[samples.count - 1] = sample
        } else {
            samples.append(sample)
        }
        if let first = samples.first, sample.at - first.at > Self.window { samples.removeFirst() }
        guard samples.count > Self.sampleLimit else { return }
        // Of what is long ago, every other sample is enough.
        let old = Self.sampleLimit / 2
        samples = stride(from: 0, to: old, by: 2).map { samples[$0] } + samples[old...]
    }

    private func ratio(from first: Sample, to last: Sample) -> Int {
        let span = max(1, (last.at - first.at).wholeNanoseconds)
        let (change, _) = (last.surplus - first.surplus).wholeNanoseconds.multipliedReportingOverflow(by: 1000)
        return max(0, 1000 + Int(change / span))
    }

    private func byteRatio(from first: Sample, to last: Sample) -> Int? {
        guard allBytes > 0, allMedia > .zero else { return nil }
        let span = max(1, (last.at - first.at).wholeNanoseconds)
        let needed: Int64 =
            nominalByteRate.map { Int64($0) }
            ?? Int64(max(1, made)).scaled(
                by: 1_000_000_000, over: max(1, allMedia.wholeNanoseconds)) ?? .max
        guard needed > 0, let rate = Int64(last.bytes - first.bytes).scaled(by: 1_000_000_000, over: span) else {
            return nil
        }
        return rate.scaled(by: 1000, over: needed).map { Int(clamping: $0) }
    }

    private mutating func judge(level: Duration, at now: Instant) -> News? {
        guard let latest = samples.last else { return nil }
        guard nominalByteRate != nil || allMedia >= Self.learning || !isReadAhead else { return nil }
        // In the middle of a fragment, how much media it holds is a guess.
        let isGuess = credit >= Self.mostCredit
        if toldSlow, isGuess { return nil }
        if toldSlow { return judgeRecovery(latest, level: level, at: now) }
        var worst: (decline: Duration, since: Sample)?
        let lumps = max(rhythm.usualPause ?? .zero, pause)
        for sample in samples where sample.at < latest.at {
            let decline = sample.surplus - latest.surplus
            guard decline >= Self.leastDecline + min(lumps, (level + decline) / 4),
                decline > worst?.decline ?? .zero
            else { continue }
            let forecast = forecast(from: sample, to: latest, level: level, at: now)
            guard forecast.ratio < settings.slowBelow,
                forecast.span >= min(settings.patience, (forecast.dryAt - now) / 4)
            else { continue }
            worst = (decline, sample)
        }
        guard let worst else { return nil }
        let forecast = forecast(from: worst.since, to: latest, level: level, at: now)
        // The origin sends what the stream needs on average: that will pass.
        let bytes = forecast.byteRatio ?? 0
        // Of a guess only what the bytes themselves say is believed.
        guard !isGuess || bytes < Self.scarce else { return nil }
        let isPeak = bytes >= 1000 - (1000 - settings.slowBelow) / 2
        let isUrgent = forecast.dryAt - now <= settings.lastCall || level * 3 <= most
        guard !isPeak || bytes < Self.ample && isUrgent else { return nil }
        toldSlow = true
        self.forecast = forecast
        return .slow(forecast)
    }

    private mutating func judgeRecovery(_ latest: Sample, level: Duration, at now: Instant) -> News? {
        guard let first = samples.first(where: { latest.at - $0.at <= settings.patience }), latest.at > first.at else {
            return nil
        }
        let forecast = forecast(from: first, to: latest, level: level, at: now)
        guard forecast.ratio >= settings.recoveredFrom, forecast.span >= settings.patience / 2 else {
            self.forecast = forecast
            return nil
        }
        toldSlow = false
        self.forecast = nil
        samples = [latest]
        return .recovered
    }

    private func forecast(from first: Sample, to last: Sample, level: Duration, at now: Instant) -> Forecast {
        let ratio = ratio(from: first, to: last)
        let left = ratio >= 1000 ? Duration.seconds(86_400) : level * 1000 / (1000 - ratio)
        return Forecast(
            ratio: ratio, byteRatio: byteRatio(from: first, to: last), level: level, dryAt: now + left,
            span: last.at - first.at)
    }
}

extension DeliveryForecast.Forecast: CustomStringConvertible {
    /// For people: `delivers 52 % of what is played, with 1200 ms in the buffer`.
    package var description: String {
        "delivers \((ratio + 5) / 10) % of what is played, with \(level.wholeNanoseconds / 1_000_000) ms in the buffer"
    }
}

internal import Testing
internal import ThroughlineCore

/// A fragmented file whose fragments hold one flow after another, read as libavformat reads it: the flow that lies first,
/// unless another is a second behind.
private struct FragmentedFile {
    struct Flow {
        /// Of a packet.
        let duration: Int
        let bytes: Int
        /// Of what was read.
        var end = 0
    }

    static let fragment = 2000
    var flows = [Flow(duration: 40, bytes: 450), Flow(duration: 20, bytes: 105), Flow(duration: 20, bytes: 102)]
    /// Bytes that were received, and that packets were made of.
    var received = 0
    private(set) var unpacked = 0

    /// Bytes of a second.
    var rate: Int { flows.reduce(0) { $0 + $1.bytes * 1000 / $1.duration } }

    /// Where the next packet of a flow lies in the file.
    private func place(_ index: Int) -> Int {
        let fragment = flows[index].end / Self.fragment
        var place = fragment * rate * Self.fragment / 1000
        for flow in flows[..<index] { place += Self.fragment / flow.duration * flow.bytes }
        return place + flows[index].end % Self.fragment / flows[index].duration * flows[index].bytes
    }

    /// Makes all packets that can be made.
    ///
    /// - Returns: whether any was.
    mutating func read() -> Bool {
        var isAny = false
        while true {
            var best = 0
            for index in flows.indices.dropFirst() {
                let lead = flows[best].end - flows[index].end
                if abs(lead) <= 1000 ? place(index) < place(best) : lead > 0 { best = index }
            }
            guard place(best) + flows[best].bytes <= received else { return isAny }
            unpacked += flows[best].bytes
            flows[best].end += flows[best].duration
            isAny = true
        }
    }
}

@Suite struct FragmentedDeliveryTests {
    /// What an origin delivers that is struck once, and goes on at the same byte.
    private func newsOf(pace: Int, struckAt place: Int, buffer: Int) -> [(at: Int, DeliveryForecast.News)] {
        var file = FragmentedFile()
        var forecast = DeliveryForecast()
        var told: [(Int, DeliveryForecast.News)] = []
        var start: Int?
        var (allReceived, allUnpacked, skew, silentUntil) = (0, 0, 0, 0)
        var isFull = false
        var isStruck = false
        // Sent a second at once.
        var sent = file.rate * 1000
        for now in stride(from: 0, to: 12_000, by: 10) {
            let moment = Instant(nanoseconds: Int64(now) * 1_000_000)
            func ends() -> [Int] { file.flows.map(\.end) }
            if start == nil, ends().min() ?? 0 >= 400 { start = now }
            func level() -> Int { max(0, (ends().min() ?? 0) - (start.map { now - $0 } ?? 0)) }
            if !isStruck, file.received >= place {
                isStruck = true
                silentUntil = now + 30
                forecast.originChanged()
                allReceived = file.received
            }
            if now >= silentUntil { sent += file.rate * pace / 1000 * 10 }
            if isFull {
                isFull = level() >= buffer * 7 / 8 + skew
            } else {
                file.received = isStruck ? sent / 1000 : min(sent / 1000, max(place, file.received))
                guard file.read() else { continue }
                skew = max(skew, (ends().max() ?? 0) - (ends().min() ?? 0))
                isFull = level() >= buffer + skew
                guard start != nil else { continue }
                let bytes = file.received - allReceived
                let packets = file.unpacked - allUnpacked
                (allReceived, allUnpacked) = (file.received, file.unpacked)
                let reached = Duration.milliseconds(ends().reduce(0, +) / file.flows.count)
                let news =
                    level() * 4 >= buffer * 3
                    ? forecast.bufferIsFull(bytes: bytes, level: .milliseconds(level()), reached: reached, at: moment)
                    : forecast.received(
                        bytes: bytes, unpacked: bytes - packets, level: .milliseconds(level()), reached: reached,
                        at: moment)
                if let news { told.append((now, news)) }
            }
        }
        return told
    }

    /// The second fragment has begun when the stream begins to be played; nothing of it is complete before its pictures are.
    @Test func whatCameBeforeTellsHowManyBytesASecondTakes() {
        func toldAfter(_ pace: Int, fillIsKnown: Bool) -> Int? {
            let file = FragmentedFile()
            var forecast = DeliveryForecast()
            if fillIsKnown { forecast.learned(bytes: file.rate * 2, media: .seconds(2)) }
            for now in stride(from: 0, to: 2000, by: 20) {
                let news = forecast.received(
                    bytes: file.rate * pace / 1000 / 50, unpacked: file.rate * pace / 1000 / 50,
                    level: .milliseconds(1900 - now), reached: .seconds(2),
                    at: Instant(nanoseconds: Int64(now) * 1_000_000))
                if case .slow = news { return now }
            }
            return nil
        }
        #expect(toldAfter(200, fillIsKnown: true) ?? 2000 < 1000)
        #expect(toldAfter(200, fillIsKnown: false) == nil)
        #expect(toldAfter(1100, fillIsKnown: true) == nil)
    }

    /// A fragment that was received before anything was counted is unpacked bit by bit: its bytes belong to its media.
    @Test func whatWasReceivedBeforeIsMediaNow() {
        let file = FragmentedFile()
        var forecast = DeliveryForecast()
        forecast.learned(bytes: file.rate / 2, media: .milliseconds(500))
        for step in 1...30 {
            _ = forecast.received(
                bytes: 0, unpacked: -file.rate / 20, level: .milliseconds(500 + step * 50),
                reached: .milliseconds(500 + step * 50), isPlaying: false, at: Instant(nanoseconds: Int64(step) * 1000))
        }
        var told: DeliveryForecast.Forecast?
        for now in stride(from: 20, to: 1500, by: 20) where told == nil {
            let news = forecast.received(
                bytes: file.rate * 3 / 5 / 50, unpacked: file.rate * 3 / 5 / 50, level: .milliseconds(2000 - now),
                reached: .seconds(2), at: Instant(nanoseconds: Int64(now) * 1_000_000))
            if case .slow(let forecast) = news { told = forecast }
        }
        // Of a rate that is thought to be too low it would be as much as is needed.
        #expect(550...650 ~= told?.byteRatio ?? 0, "\(String(describing: told))")
    }

    @Test(arguments: [1050, 1120, 1250, 1500], [500, 1000, 2000])
    func flowsOneAfterAnotherAreNotSlow(pace: Int, buffer: Int) {
        for place in stride(from: 20_000, to: 160_000, by: 5003) {
            let told = newsOf(pace: pace, struckAt: place, buffer: buffer)
            #expect(told.isEmpty, "struck at \(place): \(told)")
        }
    }
}

internal import Testing
internal import ThroughlineCore

@Suite struct DeliveryForecastTests {
    /// Plays an origin, and writes down when it was told of as slow, and when the buffer was dry.
    struct Trial {
        var world: PolicyWorld
        var forecast: DeliveryForecast
        /// Bytes of a millisecond of media, by the time at which it comes.
        var bytes: (Int) -> Int = { _ in 500 }
        var told: [(at: Int, news: DeliveryForecast.News)] = []

        init(_ origin: PolicyWorld.Origin, capacity: Int, level: Int? = nil, nominalByteRate: Int? = nil) {
            world = PolicyWorld([origin], capacity: capacity, level: level)
            forecast = DeliveryForecast(nominalByteRate: nominalByteRate)
            let first = forecast.received(bytes: 0, level: .milliseconds(world.level), at: Instant(nanoseconds: 0))
            #expect(first == nil)
        }

        mutating func play(until end: Int) {
            while world.now < end {
                let arrived = world.advance().arrived
                let now = Instant(nanoseconds: Int64(world.now) * 1_000_000)
                if arrived > 0,
                    let news = forecast.received(
                        bytes: arrived * bytes(world.now), level: .milliseconds(world.level), at: now)
                {
                    told.append((world.now, news))
                }
                if !world.isWanted, let news = forecast.bufferIsFull(level: .milliseconds(world.level), at: now) {
                    told.append((world.now, news))
                }
            }
        }
    }

    /// Throttled after five seconds, and from the start with half a buffer; small packets, and lumps.
    @Test(
        arguments: [500, 800, 950].flatMap { rate in [500, 1000, 2000, 5000].map { (rate, $0) } },
        [0, 5000])
    func slowDeliveryIsToldInTime(_ case: (rate: Int, buffer: Int), from: Int) throws {
        let (rate, buffer) = `case`
        for lump in [10, 20, 40, 100, buffer / 5] {
            var origin = PolicyWorld.Origin()
            origin.lump = lump
            origin.speed = [(0, 4000), (from, rate)]
            var trial = Trial(origin, capacity: buffer, level: from == 0 ? max(400, buffer / 2) : buffer)
            trial.play(until: from + buffer * 1000 / (1000 - rate) + 2000)
            let dry = try #require(trial.world.gaps.first?.lowerBound)
            let told = try #require(trial.told.first, "lumps of \(lump) ms: never told")
            #expect(dry - told.at >= 300, "lumps of \(lump) ms: told at \(told.at), dry at \(dry)")
            guard case .slow(let forecast) = told.news else {
                Issue.record("\(told.news)")
                continue
            }
            #expect(abs(forecast.ratio - rate) <= max(60, 2 * lump), "lumps of \(lump) ms: \(forecast)")
            #expect(trial.told.count == 1, "once")
        }
    }

    /// Ten minutes of what suffices, with hiccups, and lumps of all sizes.
    @Test(arguments: [1050, 1200, 4000], 0..<5 as Range<UInt64>)
    func whatSufficesIsNeverToldOf(rate: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let buffer = [500, 1000, 2000, 5000].randomElement(using: &random) ?? 500
        var origin = PolicyWorld.Origin()
        origin.speed = [(0, rate)]
        origin.lump = [10, 20, 40, 100, buffer / 5].randomElement(using: &random) ?? 40
        // What was missed comes at once, or bit by bit.
        origin.catchesUp = rate == 1050 || seed % 2 == 0
        var time = 0
        while time < 600_000 {
            time += Int.random(in: (origin.catchesUp ? 200 : 800)...3000, using: &random)
            let hiccup = Int.random(in: 10...min(200, buffer / 4), using: &random)
            origin.outages.append(time..<(time + hiccup))
            time += hiccup
        }
        var trial = Trial(origin, capacity: buffer, level: seed % 2 == 0 ? buffer : buffer / 2)
        trial.play(until: seed == 0 && rate == 1050 ? 600_000 : 60_000)
        #expect(trial.told.isEmpty, "buffer \(buffer), lumps of \(origin.lump): \(trial.told)")
    }

    /// A server sends much at once and then as fast as it is played; nothing is slow.
    @Test func aBurstAtTheStartIsNoPromise() {
        var origin = PolicyWorld.Origin()
        origin.speed = [(0, 20_000), (200, 1000)]
        var trial = Trial(origin, capacity: 5000, level: 100)
        trial.play(until: 60_000)
        #expect(trial.told.isEmpty)
        #expect(trial.world.gap == 0)
    }

    /// The link carries 105 % of the average. Dear pictures come slower, cheap ones faster.
    @Test(arguments: [nil, 525_000])
    func aPeakOfTheMediaIsNoOverload(nominal: Int?) {
        var origin = PolicyWorld.Origin()
        // In each ten seconds, two at twice the bytes.
        let dear = { (time: Int) in time % 10_000 >= 8000 }
        origin.speed = (0..<60).map { ($0 * 1000, dear($0 * 1000) ? 550 : 1170) }
        var trial = Trial(origin, capacity: 3000, nominalByteRate: nominal)
        trial.bytes = { dear($0) ? 1050 : 490 }
        trial.play(until: 60_000)
        #expect(trial.world.gap == 0)
        #expect(trial.told.isEmpty, "\(trial.told)")
        // The same with as many bytes for every picture is slow.
        var throttled = Trial(origin, capacity: 3000, nominalByteRate: nominal)
        throttled.play(until: 10_000)
        #expect(!throttled.told.isEmpty)
    }

    @Test func aPeakThatTheBufferWillNotOutlastIsTold() throws {
        var origin = PolicyWorld.Origin()
        origin.speed = [(0, 1200), (20_000, 500)]
        var trial = Trial(origin, capacity: 2000)
        trial.bytes = { $0 < 20_000 ? 500 : 1200 }
        trial.play(until: 30_000)
        let dry = try #require(trial.world.gaps.first?.lowerBound)
        let told = try #require(trial.told.first?.at)
        // When the buffer is down to a third, which lasts for twice as long.
        #expect((1200...1400).contains(dry - told))
    }

    @Test func aSilenceIsNotSlowDelivery() {
        var origin = PolicyWorld.Origin()
        origin.speed = [(0, 1000)]
        origin.catchesUp = false
        origin.outages = [5000..<6500, 12_000..<13_000]
        var trial = Trial(origin, capacity: 5000)
        trial.play(until: 30_000)
        #expect(trial.told.isEmpty)
    }

    /// A busy player takes what came as one lump; then the origin rests for a while, and goes on as before.
    @Test(arguments: [20, 100, 300]) func aSilenceAfterALumpIsNotSlowDelivery(lump: Int) {
        var forecast = DeliveryForecast()
        var now = 0
        func received(_ milliseconds: Int, level: Int) -> DeliveryForecast.News? {
            forecast.received(
                bytes: milliseconds * 10, level: .milliseconds(level),
                at: Instant(nanoseconds: Int64(now) * 1_000_000))
        }
        for _ in 0..<200 {
            now += 20
            #expect(received(20, level: 2000) == nil)
        }
        now += lump
        #expect(received(lump, level: 2000) == nil)
        now += 850
        #expect(received(30, level: 1180) == nil)
        for _ in 0..<200 {
            now += 20
            #expect(received(20, level: 1180) == nil)
        }
    }

    /// The origin before was silent; that says nothing of a pause of the one that followed it.
    @Test func anotherOriginsFirstPauseIsOne() {
        var forecast = DeliveryForecast()
        var now = Instant.at(0)
        func goOn(_ forecast: inout DeliveryForecast, level: Int) {
            for _ in 0..<50 {
                now = now + .milliseconds(20)
                #expect(forecast.received(bytes: 200, level: .milliseconds(level), at: now) == nil)
            }
        }
        goOn(&forecast, level: 2000)
        now = now + .milliseconds(700)
        #expect(forecast.received(bytes: 200, level: .milliseconds(1320), at: now) == nil)
        forecast.originChanged()
        goOn(&forecast, level: 1320)
        now = now + .milliseconds(300)
        #expect(forecast.received(bytes: 3000, level: .milliseconds(1320), at: now) == nil)
        now = now + .milliseconds(650)
        #expect(forecast.received(bytes: 200, level: .milliseconds(690), at: now) == nil)
    }

    /// It comes as it is played, and the buffer was full from the first moment: then the origin rests for a while.
    @Test(arguments: [600, 870, 1300]) func aSilenceAfterAFullBufferIsNotSlowDelivery(pause: Int) {
        var forecast = DeliveryForecast()
        var now = Instant.at(0)
        for _ in 0..<200 {
            now = now + .milliseconds(20)
            #expect(forecast.bufferIsFull(bytes: 200, level: .seconds(2), at: now) == nil)
        }
        now = now + .milliseconds(pause)
        let level = 2000 - pause
        #expect(forecast.received(bytes: 360, level: .milliseconds(level + 36), at: now) == nil)
        for _ in 0..<200 {
            now = now + .milliseconds(20)
            #expect(forecast.received(bytes: 200, level: .milliseconds(level + 36), at: now) == nil)
        }
    }

    @Test func whatRecoversIsToldAndMayBeToldAgain() throws {
        var origin = PolicyWorld.Origin()
        origin.speed = [(0, 4000), (5000, 800), (10_000, 1100), (25_000, 800)]
        var trial = Trial(origin, capacity: 3000)
        trial.play(until: 32_000)
        #expect(trial.told.count == 3)
        guard trial.told.count == 3 else { return }
        guard case .slow(let first) = trial.told[0].news, case .slow = trial.told[2].news else {
            Issue.record("\(trial.told)")
            return
        }
        #expect(trial.told[1].news == .recovered)
        #expect((12_000...14_500).contains(trial.told[1].at))
        // When it would be dry is told truly: 3 s at 200 ms less in each.
        let dry = (first.dryAt.nanoseconds / 1_000_000) - 5000
        #expect((14_000...16_000).contains(dry))
    }

    @Test func interruptionsBeginAnew() {
        var forecast = DeliveryForecast()
        var now = Instant.at(0)
        for step in 0..<200 {
            now = now + .milliseconds(40)
            // Each second a seek; in between it falls by half.
            if step % 25 == 0 { forecast.interrupted() }
            let level = Duration.milliseconds(20_000 - step % 25 * 20)
            #expect(forecast.received(bytes: 1000, level: level, at: now) == nil)
        }
        #expect(forecast.ratio == nil)
    }

    /// Before it plays, the buffer fills: half as fast as it would be emptied.
    @Test func itIsToldWhileTheStreamStarts() throws {
        var forecast = DeliveryForecast()
        var told: DeliveryForecast.News?
        for step in 0..<50 where told == nil {
            told = forecast.received(
                bytes: 1000, level: .milliseconds(20 * step), isPlaying: false, at: .at(0.04 * Double(step)))
        }
        guard case .slow(let news) = try #require(told) else { return }
        #expect((480...520).contains(news.ratio))
    }

    /// A hiccup, after which what was missed comes bit by bit.
    @Test func aPauseIsNoSlowDelivery() {
        var forecast = DeliveryForecast()
        for step in 0..<50 {
            #expect(forecast.received(bytes: 1000, level: .milliseconds(500), at: .at(0.04 * Double(step))) == nil)
        }
        for (after, level) in [(200, 340), (210, 370), (220, 400), (230, 430), (240, 460), (250, 490)] {
            let now = Instant.at(1.96) + .milliseconds(after)
            #expect(forecast.received(bytes: 1000, level: .milliseconds(level), at: now) == nil)
        }
    }
}

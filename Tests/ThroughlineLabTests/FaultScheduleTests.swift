internal import Testing
internal import ThroughlineCore

@testable internal import ThroughlineLab

/// What the faults of an origin do, in virtual time.
@Suite struct FaultScheduleTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    func schedule(_ faults: String...) throws -> FaultSchedule {
        FaultSchedule(try faults.map { try Fault(parsing: $0) }, at: Self.start)
    }

    func passage(_ promised: Range<Int64> = 0..<1000, at cursor: Int64? = nil) -> FaultSchedule.Passage {
        var passage = FaultSchedule.Passage(path: "/a", size: 1000, promised: promised) { _ in nil }
        passage.cursor = cursor ?? promised.lowerBound
        return passage
    }

    func after(_ milliseconds: Int) -> Instant { Self.start + .milliseconds(milliseconds) }

    let free = FaultSchedule.Step.send(limit: 1000, rate: nil, corruption: [])

    @Test func aPlaceLimitsAndThenStrikes() throws {
        var schedule = try schedule("reset@byte=400")
        var response = passage()
        #expect(
            schedule.next(for: &response, at: after(0)) == .send(limit: 400, rate: nil, corruption: []))
        #expect(schedule.takeChanges().isEmpty)
        response.cursor = 400
        #expect(schedule.next(for: &response, at: after(1)) == .reset(afterDelivery: true))
        #expect(schedule.takeChanges() == [.struck(try Fault(parsing: "reset@byte=400"))])
        var behind = passage(700..<1000)
        #expect(schedule.next(for: &behind, at: after(2)) == .reset(afterDelivery: true))
    }

    @Test func aPlaceBeyondTheResponseIsNotReached() throws {
        var schedule = try schedule("reset@byte=400", "close@byte=1000", "close@100%")
        var before = passage(0..<400, at: 399)
        #expect(schedule.next(for: &before, at: after(0)) == .send(limit: 400, rate: nil, corruption: []))
        var behind = passage(401..<1000)
        #expect(schedule.next(for: &behind, at: after(0)) == free)
    }

    @Test func aTimeCountsFromTheFirstByte() throws {
        var schedule = try schedule("stall@2s,for=1s")
        #expect(schedule.nextDeadline == .never)
        schedule.firstByteSent(at: after(100))
        schedule.firstByteSent(at: after(200))
        #expect(schedule.nextDeadline == after(2100))
        var response = passage()
        #expect(schedule.next(for: &response, at: after(2099)) == free)
        #expect(schedule.next(for: &response, at: after(2100)) == .stall)
        #expect(schedule.nextDeadline == after(3100))
        #expect(schedule.next(for: &response, at: after(3099)) == .stall)
        #expect(schedule.next(for: &response, at: after(3100)) == free)
        #expect(schedule.nextDeadline == .never)
        let fault = try Fault(parsing: "stall@2s,for=1s")
        #expect(schedule.takeChanges() == [.struck(fault), .recovered(fault)])
    }

    @Test func aFollowerWaitsForTheEndOfAFaultThatEnds() throws {
        var schedule = try schedule("refuse,for=3s", "status=503,for=2s", "status=404")
        #expect(schedule.refuses)
        #expect(schedule.requestArrived("/a", at: after(2999)) == .answer)
        #expect(schedule.requestArrived("/a", at: after(3000)) == .refuse(status: 503, retryAfter: nil))
        #expect(!schedule.refuses)
        #expect(schedule.requestArrived("/a", at: after(4999)) == .refuse(status: 503, retryAfter: nil))
        #expect(schedule.requestArrived("/a", at: after(5000)) == .refuse(status: 404, retryAfter: nil))
    }

    @Test func aFollowerComesWithAFaultThatStays() throws {
        var schedule = try schedule("reset@byte=400", "refuse")
        var response = passage()
        _ = schedule.next(for: &response, at: after(0))
        #expect(!schedule.refuses)
        response.cursor = 400
        _ = schedule.next(for: &response, at: after(0))
        #expect(schedule.refuses)
    }

    @Test func onceAtATimeWaitsForAVictimAndFollowersForThat() throws {
        var schedule = try schedule("reset@1s,once", "status=404")
        schedule.firstByteSent(at: after(0))
        schedule.advance(to: after(1500))
        #expect(schedule.requestArrived("/a", at: after(1500)) == .answer)
        var response = passage(at: 10)
        #expect(schedule.next(for: &response, midWrite: true, at: after(1600)) == .reset(afterDelivery: false))
        #expect(schedule.requestArrived("/a", at: after(1600)) == .refuse(status: 404, retryAfter: nil))
        var other = passage()
        #expect(schedule.next(for: &other, at: after(1600)) == free)
    }

    @Test func aVictimKeepsItsFaultAndNobodyElseHasIt() throws {
        var schedule = try schedule("stall@byte=10,once", "corrupt@byte=20,once")
        var (first, second) = (passage(at: 10), passage(at: 10))
        #expect(schedule.next(for: &first, at: after(0)) == .stall)
        #expect(schedule.next(for: &second, at: after(0)) == .send(limit: 20, rate: nil, corruption: []))
        second.cursor = 20
        #expect(schedule.next(for: &second, at: after(0)) == .send(limit: 1000, rate: nil, corruption: [20]))
        #expect(schedule.next(for: &first, at: after(9_999_999)) == .stall)
        schedule.end()
        #expect(schedule.next(for: &first, at: after(9_999_999)) == free)
    }

    @Test func whatIsUnderWayIsNotCutAtAPlace() throws {
        var schedule = try schedule("reset@byte=400")
        var response = passage(at: 400)
        #expect(schedule.next(for: &response, midWrite: true, at: after(0)) == free)
        #expect(schedule.takeChanges().isEmpty)
    }

    @Test func severalAtOnceTheWorstDecides() throws {
        var schedule = try schedule("throttle=5", "throttle=3", "delay=1s", "stall", "close", "reset")
        var response = passage()
        #expect(schedule.next(for: &response, at: after(0)) == .reset(afterDelivery: false))
        schedule.end { $0.kind == .reset }
        #expect(schedule.next(for: &response, at: after(0)) == .close(afterDelivery: false))
        schedule.end { $0.kind == .close }
        var late = passage()
        #expect(schedule.next(for: &late, at: after(0)) == .pause(.seconds(1)))
        #expect(schedule.next(for: &late, at: after(0)) == .stall)
        schedule.end { $0.kind == .stall }
        #expect(schedule.next(for: &late, at: after(0)) == .send(limit: 1000, rate: 3, corruption: []))
    }

    @Test func silenceComesBeforeAnyStatusAndOnceIsForGood() throws {
        var schedule = try schedule("silent,once", "status=500")
        #expect(schedule.requestArrived("/a", at: after(0)) == .silenceForGood)
        #expect(schedule.requestArrived("/a", at: after(0)) == .refuse(status: 500, retryAfter: nil))
        schedule.inject(Fault(.silent), at: after(1))
        #expect(schedule.requestArrived("/a", at: after(1)) == .silence)
    }

    @Test func injectionsDoNotPileUp() throws {
        var schedule = try schedule()
        for index in 0..<1000 {
            schedule.inject(Fault(.stall, recovery: .after(.milliseconds(1))), at: after(10 * index))
            schedule.inject(Fault(.status(500), recovery: .once), at: after(10 * index))
            #expect(schedule.requestArrived("/a", at: after(10 * index + 5)) != .answer)
            _ = schedule.takeChanges()
        }
        #expect(schedule.count < 5)
    }

    // MARK: Pacing

    @Test(arguments: [1, 7, 1000, 156_250, 1_000_000_000])
    func aBucketKeepsItsRateOverAnyTicks(rate: Int) {
        var bucket = TokenBucket(rate: rate, burst: rate, full: true, at: after(0))
        var (now, total, state) = (after(0), Int64(0), UInt64(1))
        while now < after(100_000) {
            let count = bucket.available(at: now)
            #expect(count <= Int64(rate))
            bucket.take(count, at: now)
            total += count
            // Ticks come between 10 and 40 ms apart.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            now = now + max(bucket.wait(at: now), .milliseconds(10 + Int64(state >> 59)))
        }
        // One second of burst and a hundred of rate, less what the last tick has not fetched; rounding never gives more
        // than a byte.
        #expect(total <= 101 * Int64(rate) + 1)
        #expect(total >= 101 * Int64(rate) - max(Int64(rate) / 10, 2))
    }

    @Test func anEmptyBucketSaysWhenToComeBack() {
        var bucket = TokenBucket(rate: 10, burst: 0, full: true, at: after(0))
        #expect(bucket.available(at: after(0)) == 1)
        bucket.take(1, at: after(0))
        #expect(bucket.available(at: after(99)) == 0)
        #expect(bucket.wait(at: after(0)) == .milliseconds(100))
        #expect(bucket.available(at: after(100)) == 1)
    }

    // MARK: Ranges

    @Test(arguments: [
        (nil, ByteRange.whole), ("bytes=0-", .part(0..<1000)), ("bytes=0-0", .part(0..<1)),
        ("bytes=10-19", .part(10..<20)), ("Bytes = 10-19", .whole), ("bytes=990-2000", .part(990..<1000)),
        ("bytes=999-99999999999999999999", .part(999..<1000)), ("bytes=-1", .part(999..<1000)),
        ("bytes=-5000", .part(0..<1000)), ("bytes=1000-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
        ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=5-4", .whole), ("bytes=0-1,5-6", .whole),
        ("bytes=-", .whole), ("bytes=", .whole), ("items=0-1", .whole), ("bytes=a-b", .whole), ("bytes=+1-2", .whole),
    ])
    func rangesMean(header: String?, range: ByteRange) { #expect(ByteRange(header, size: 1000) == range) }

    @Test func anEmptyFileHasNoRanges() {
        #expect(ByteRange("bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRange("bytes=-5", size: 0) == .unsatisfiable)
        #expect(ByteRange(nil, size: 0) == .whole)
    }

    @Test func datesAndNames() {
        #expect(httpDate(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(contentType(forPath: "/x.y/film.MP4") == "video/mp4")
        #expect(contentType(forPath: "/x.mp4/film") == "application/octet-stream")
    }
}

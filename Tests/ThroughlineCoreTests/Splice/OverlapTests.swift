internal import Testing
internal import ThroughlineCore

/// Where an origin in real time is asked to begin, for tails of pictures and sound.
@Suite struct OverlapTests {
    /// Pictures of 40 ms by their places in presentation, in decode order, with decode times `depth` places before.
    private func pictures(_ places: [Int64], depth: Int64, frame: Int64 = 40) -> FlowTail {
        FlowTail(
            packets: places.enumerated().map { index, place in
                PacketTrace(
                    pts: .milliseconds(place * frame), dts: .milliseconds((Int64(index) - depth) * frame),
                    duration: .milliseconds(frame), isKey: index == 0, fingerprint: UInt64(index))
            }, isSparse: false, isEssential: true)
    }

    private func sound(_ count: Int64, of length: Int64) -> FlowTail {
        FlowTail(
            packets: (0..<count).map {
                PacketTrace(
                    pts: .milliseconds($0 * length), dts: .milliseconds($0 * length), duration: .milliseconds(length),
                    isKey: true, fingerprint: UInt64($0))
            }, isSparse: false)
    }

    struct Case: Sendable {
        var places: [Int64]
        var depth: Int64 = 2
        /// In milliseconds.
        var start: Int64
    }

    /// Behind the start there is always a picture that is known, and never one that is missing before it.
    @Test(arguments: [
        // All in order: the last picture is the one that is known behind the start.
        Case(places: [0, 1, 2, 3, 4], depth: 0, start: 4 * 40 - 21),
        // 5 is the first that is missing, and 8 is known.
        Case(places: [0, 4, 2, 1, 3, 8], start: 5 * 40 - 21),
        Case(places: [0, 4, 2, 1, 3, 8, 6], start: 5 * 40 - 21),
        Case(places: [0, 4, 2, 1, 3, 8, 6, 5], start: 7 * 40 - 21),
        // 8 is the last that is known, though 9 is the first that is missing.
        Case(places: [0, 4, 2, 1, 3, 8, 6, 5, 7], start: 8 * 40 - 21),
        // Only the decode time tells where the first that is missing stands.
        Case(places: [0, 4], start: 1 * 40 - 21),
    ])
    func pictures(_ row: Case) {
        let tail = pictures(row.places, depth: row.depth)
        #expect(tail.overlapStart == .milliseconds(row.start))
        for missing in Int64(0)..<12 where !row.places.contains(missing) {
            #expect(MediaTime.milliseconds(missing * 40) > tail.overlapStart ?? .zero)
        }
        #expect(row.places.contains { MediaTime.milliseconds($0 * 40) > tail.overlapStart ?? .zero })
    }

    @Test func holesBetweenPicturesAreTakenForMissingPictures() {
        // At a variable rate 10 may follow 6 or not: from the last decode time on it is not known.
        var tail = pictures([0, 1, 2, 3, 10, 6], depth: 2)
        tail.packets[5].dts = .milliseconds(120)
        #expect(tail.overlapStart == .milliseconds(4 * 40 - 21))
    }

    @Test func soundNeedsTwoPacketsAndTheOneBefore() {
        #expect(sound(10, of: 20).overlapStart == .milliseconds(200 - 40 - 1))
        #expect(sound(1, of: 20).overlapStart == .milliseconds(-1))
    }

    @Test func theLeastOfAllCounts() {
        let flows = [pictures([0, 1, 2, 3, 4, 5], depth: 0), sound(9, of: 20), sound(20, of: 20)]
        #expect(flows.overlapStart == .milliseconds(180 - 41))
        var silent = sound(2, of: 20)
        silent.isSparse = true
        #expect((flows + [silent]).overlapStart == .milliseconds(180 - 41))
        #expect([silent, FlowTail(packets: [], isSparse: false)].overlapStart == nil)
    }
}

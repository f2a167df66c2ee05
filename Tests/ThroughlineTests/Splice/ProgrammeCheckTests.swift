internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

@Suite(.timeLimit(.minutes(25))) struct ProgrammeCheckTests {
    /// The likeness of every key picture of `main.mp4` with what another file shows at the same time.
    static func likenesses(with name: String) throws -> [Double] {
        let main = try FixtureReader("main.mp4")
        var keys: [MediaTime: UniqueDequeBox] = [:]
        while let packet = try main.read() {
            if packet.flow == 0, packet.isKey, let pts = packet.pts { keys[pts] = UniqueDequeBox(packet) }
        }
        return try keys.sorted { $0.key < $1.key }.map { _, box in
            let decoded = ProgrammeCheck.reference(box.packets, before: .seconds(3600), format: main.flows[0])
            let reference = try #require(decoded)
            let other = try FixtureReader(name)
            let flow = try #require(other.flows.first { $0.kind == .video })
            let check = try #require(ProgrammeCheck(reference: reference, flow: flow))
            // Without an index of key frames one is found by reading from earlier on.
            try other.demuxer.seek(to: max(.zero, reference.time - .seconds(3)))
            while !check.isDecided, let packet = try other.read() {
                if packet.flow == flow.index { check.look(at: packet) }
            }
            switch check.finding() {
            case .same(let likeness), .different(let likeness): return likeness
            case .inconclusive(let reason):
                Issue.record("\(name) at \(reference.time): \(reason)")
                return 0
            }
        }
    }

    final class UniqueDequeBox {
        var packets = UniqueDeque<Packet>()
        init(_ packet: consuming Packet) { packets.append(packet) }
    }

    @Test(arguments: ["main.mkv", "other.mp4", "other.ts", "other-opengop.mp4", "hevc.mp4"])
    func theSameProgrammeIsAlike(_ name: String) throws {
        let likenesses = try Self.likenesses(with: name)
        print("likeness of main.mp4 and \(name):", likenesses.map { ($0 * 1000).rounded() / 1000 })
        #expect(likenesses.count == 6)
        #expect(likenesses.allSatisfy { $0 > 0.9 }, "\(likenesses)")
    }

    @Test func anotherProgrammeIsNot() throws {
        let likenesses = try Self.likenesses(with: "wrong.mp4")
        print("likeness of main.mp4 and wrong.mp4:", likenesses.map { ($0 * 1000).rounded() / 1000 })
        #expect(likenesses.allSatisfy { $0 < 0.5 }, "\(likenesses)")
    }

    @Test func plainPicturesTellNothing() {
        let plain = [Float](repeating: 16, count: 100)
        let picture = (0..<100).map { Float($0 * 7 % 256) }
        #expect(ProgrammeCheck.likeness(plain, picture) == nil)
        #expect(ProgrammeCheck.likeness(plain, plain) == nil)
        #expect(ProgrammeCheck.likeness([], []) == nil)
        #expect(ProgrammeCheck.likeness(picture, [1]) == nil)
        #expect(abs((ProgrammeCheck.likeness(picture, picture) ?? 0) - 1) < 1e-9)
        #expect(abs((ProgrammeCheck.likeness(picture, picture.map { 255 - $0 }) ?? 0) + 1) < 1e-9)
        #expect(
            abs((ProgrammeCheck.likeness(picture, picture.map { $0 / 2 + 30 }) ?? 0) - 1) < 1e-6, "darker is the same")
    }
}

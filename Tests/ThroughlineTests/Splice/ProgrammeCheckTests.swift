internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

@Suite(.timeLimit(.minutes(25))) struct ProgrammeCheckTests {
    /// What is found for every key picture of `main.mp4` in another file.
    ///
    /// - Parameter shift: what is taken from the times of the other file.
    static func findings(with name: String, shift: MediaTime = .zero) throws -> [PicturePlace.Finding] {
        let main = try FixtureReader("main.mp4")
        var keys: [MediaTime: UniqueDequeBox] = [:]
        let pictures = UniqueDequeBox()
        while let packet = try main.read() {
            guard packet.flow == 0, let pts = packet.pts else { continue }
            if packet.isKey { keys[pts] = UniqueDequeBox(try packet.reference()) }
            pictures.packets.append(packet)
        }
        return try keys.sorted { $0.key < $1.key }.map { _, box in
            let decoded = ProgrammeCheck.reference(
                box.packets, tail: pictures.packets, before: .seconds(3600), format: main.flows[0])
            let reference = try #require(decoded)
            let other = try FixtureReader(name)
            let flow = try #require(other.flows.first { $0.kind == .video })
            let check = try #require(ProgrammeCheck(reference: reference, flow: flow))
            // Without an index of key frames one is found by reading from earlier on.
            try other.demuxer.seek(to: max(.zero, reference.time - .seconds(3)))
            while !check.isDecided, var packet = try other.read() {
                guard packet.flow == flow.index else { continue }
                packet.move(by: -shift)
                check.look(at: packet)
            }
            return check.finding()
        }
    }

    final class UniqueDequeBox {
        var packets = UniqueDeque<Packet>()
        init() {}
        init(_ packet: consuming Packet) { packets.append(packet) }
    }

    @Test(arguments: ["main.mkv", "other.mp4", "other.ts", "other-opengop.mp4", "hevc.mp4"])
    func theSameProgrammeStandsWhereItShould(_ name: String) throws {
        let findings = try Self.findings(with: name)
        print("main.mp4 and \(name):", findings)
        #expect(findings.count == 6)
        for finding in findings {
            guard case .here(let likeness) = finding else {
                Issue.record("\(name): \(finding)")
                continue
            }
            #expect(likeness > 0.9)
        }
    }

    @Test(arguments: [200, -200, 480, -520, 1320, -1280] as [Int64])
    func theSameProgrammeElsewhereIsFoundThere(_ shift: Int64) throws {
        let findings = try Self.findings(with: "other.mp4", shift: .milliseconds(shift))
        print("main.mp4 and other.mp4, \(shift) ms off:", findings)
        var found = 0
        for finding in findings {
            switch finding {
            case .elsewhere(let by, _):
                #expect((by - .milliseconds(shift)).magnitude <= .milliseconds(40))
                found += 1
            case .nowhere, .untold: break
            case .here, .different, .inconclusive: Issue.record("\(shift) ms off: \(finding)")
            }
        }
        #expect(found >= 4)
    }

    @Test func anotherProgrammeIsNot() throws {
        let findings = try Self.findings(with: "wrong.mp4")
        print("main.mp4 and wrong.mp4:", findings)
        for finding in findings {
            guard case .different(let likeness) = finding else {
                Issue.record("\(finding)")
                continue
            }
            #expect(likeness < 0.5)
        }
    }
}

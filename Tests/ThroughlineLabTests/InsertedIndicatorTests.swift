internal import Testing
internal import ThroughlineCore
internal import ThroughlineProtocols

@testable import ThroughlineLab

@Suite struct InsertedIndicatorTests {
    @Test func theTextIsRead() throws {
        let indicator = try InsertedIndicator(parsing: "sei,to=http://b.example/film.ts?a=b,at=6.5,event=9@npt=4")
        #expect(indicator.kind == .userData && indicator.carrier == .seconds(4))
        #expect(indicator.target == "http://b.example/film.ts?a=b" && indicator.event == 9)
        #expect(indicator.position == .milliseconds(6500) && indicator.action == .move)
        #expect(try InsertedIndicator(parsing: "id3,stay,text@npt=0").isText)
        #expect(try InsertedIndicator(parsing: "scte-35,at=4,for=2@npt=1").breakLength == .seconds(2))
        #expect(try InsertedIndicator(parsing: "ts-discontinuity,jump=5@npt=1").jump == .seconds(5))
    }

    @Test(arguments: [
        "", "sei", "sei@4", "sei@npt=", "sei@npt=x", "sei@npt=-1", "xyz@npt=4", "sei,at@npt=4", "sei,for=2@npt=4",
        "scte-35,to=http://b/@npt=4", "ts-program,at=4@npt=4", "sei,event=-1@npt=4", "sei,to=@npt=4", "sei@npt=4@npt=5",
    ])
    func whatIsNoneIsRefused(_ text: String) {
        #expect(throws: IndicatorSyntaxError.self) { try InsertedIndicator(parsing: text) }
    }

    private func events(_ bytes: [UInt8]) -> [TransportScanner.Event] {
        var scanner = TransportScanner()
        var events: [TransportScanner.Event] = []
        bytes.withUnsafeBytes { scanner.feed($0) { events.append($0) } }
        bytes.withUnsafeBytes { _ in scanner.finish { events.append($0) } }
        return events
    }

    private func edited(_ file: String, _ texts: [String]) throws -> [UInt8] {
        let indicators = try texts.map { try InsertedIndicator(parsing: $0) }
        let file = try ServedFile(path: "\(LabFixtures.path)/\(file)", inserting: indicators)
        guard case .bytes(let bytes) = file.content else { return [] }
        return bytes
    }

    @Test func aTransportStreamStaysInOrder() throws {
        let bytes = try edited(
            "main.ts",
            [
                "sei,at=6@npt=4", "id3,at=6@npt=5", "scte-35,at=6,for=2@npt=5", "ts-program@npt=7",
                "ts-discontinuity@npt=8",
            ])
        let events = events(bytes)
        for event in events {
            if case .packetsMissing(let pid, let count) = event { Issue.record("\(count) missing of \(pid)") }
        }
        let indicators = events.flatMap(\.indicators)
        #expect(indicators.map(\.kind) == [.timedMetadata, .splice, .splice, .programChange, .discontinuity])
        let clock = StreamClock(ticks: 133_200, at: .zero)
        #expect(indicators[0].position.npt(on: nil) == .seconds(6))
        #expect(indicators[1].position.npt(on: clock) == .seconds(6))
        #expect(indicators[2].position.npt(on: clock) == .seconds(8))
    }

    @Test(arguments: [("main.ts", "sei", true), ("audio.aac", "sei", false), ("main.mp4", "id3", false)])
    func whatDoesNotFitIsRefused(_ file: String, _ kind: String, fits: Bool) throws {
        let text = "\(kind)@npt=1"
        if fits {
            #expect(throws: Never.self) { try edited(file, [text]) }
        } else {
            #expect(throws: OriginError.self) { try edited(file, [text]) }
        }
    }

    @Test(arguments: ["audio.aac", "audio.mp3"])
    func tagsStandBetweenFrames(_ file: String) throws {
        var scanner = PackedAudioScanner()
        let found = try edited(file, ["id3,event=3@npt=4", "id3,text,event=4@npt=5"]).withUnsafeBytes {
            scanner.feed($0)
        }
        #expect(found.flatMap(\.tag.indicators).map(\.event) == [3, 4])
        #expect(found.allSatisfy { $0.time >= .seconds(4) && $0.time < .milliseconds(5040) })
        #expect(scanner.strayBytes == 0)
    }
}

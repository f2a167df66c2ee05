internal import Testing
internal import Throughline
internal import ThroughlineCore

/// What cannot work is refused before anything is opened, by the name of its field.
@Suite struct ConfigurationTests {
    private static func refusal(_ configure: (inout Configuration) -> Void) -> String? {
        var configuration = Configuration(origins: [Origin(url: "http://host/film.ts")])
        configure(&configuration)
        do throws(StreamError) {
            try configuration.validate()
            return nil
        } catch {
            #expect(error.code == .usage)
            return error.message
        }
    }

    @Test("The usual is taken, and so are the limits themselves")
    func usual() {
        #expect(Self.refusal { _ in } == nil)
        #expect(
            Self.refusal {
                $0.buffer = .milliseconds(100)
                $0.bufferByteLimit = 64 << 10
                $0.silenceBound = .milliseconds(50)
                $0.openBound = .seconds(3600)
                $0.giveUpAfter = .zero
                $0.to = .milliseconds(1)
            } == nil)
        #expect(
            Self.refusal {
                $0.buffer = .seconds(60)
                $0.bufferByteLimit = .max
                $0.from = MediaTime(flicks: .max) - .seconds(1)
                $0.to = MediaTime(flicks: .max)
                $0.giveUpAfter = .seconds(365 * 86_400)
                $0.origins += [Origin(url: "-"), Origin(url: "film.ts"), Origin(url: "file:///film.ts")]
                $0.origins += ["rtsp://host/a", "rtspu://host/a", "HTTPS://host/"].map { Origin(url: $0) }
            } == nil)
    }

    @Test("Every length of time has limits", arguments: ["buffer", "silenceBound", "openBound", "giveUpAfter"])
    func durations(_ field: String) {
        func set(_ configuration: inout Configuration, _ value: Duration) {
            switch field {
            case "buffer": configuration.buffer = value
            case "silenceBound": configuration.silenceBound = value
            case "openBound": configuration.openBound = value
            default: configuration.giveUpAfter = value
            }
        }
        var values: [Duration] = [.nanoseconds(-1), .seconds(-5), .seconds(Int64.max), .seconds(Int64.min)]
        if field != "giveUpAfter" { values.append(.zero) }
        for value in values {
            let message = Self.refusal { set(&$0, value) }
            #expect(message?.hasPrefix(field) ?? false, "\(value): \(message ?? "taken")")
        }
    }

    @Test("A buffer of no bytes", arguments: [Int.min, -1, 0, 7, 65_535])
    func bytes(_ limit: Int) {
        let message = Self.refusal { $0.bufferByteLimit = limit }
        #expect(message == "bufferByteLimit must be at least 65536 bytes, not \(limit)")
    }

    @Test("An end that is none")
    func places() {
        #expect(Self.refusal { $0.from = .milliseconds(-1) }?.hasPrefix("from") ?? false)
        for end in [MediaTime.seconds(-1), .zero, .seconds(5)] {
            let message = Self.refusal {
                $0.from = .seconds(5)
                $0.to = end
            }
            #expect(message?.hasPrefix("to (--to)") ?? false)
        }
        #expect(Self.refusal { $0.flows = .kinds([]) }?.hasPrefix("flows") ?? false)
    }

    @Test("Origins that are none")
    func origins() {
        #expect(Self.refusal { $0.origins = [] } == "origins must name at least one origin")
        let many = Self.refusal { $0.origins = Array(repeating: Origin(url: "a"), count: 257) }
        #expect(many == "origins must be no more than 256, not 257")
        for url in ["", "ftp://host/f", "http://", "http://:80/f", "rtsp://host:99999/f", "file://elsewhere/f", "a\0b"]
            + [String(repeating: "a", count: 8193)]
        {
            let message = Self.refusal { $0.origins.append(Origin(url: url)) }
            #expect(message?.hasPrefix("origins[1].url ") ?? false, "\(url.prefix(40)): \(message ?? "taken")")
        }
        let secret = Self.refusal { $0.origins = [Origin(url: "ftp://me:secret@host/f")] }
        #expect(secret.map { !$0.contains("secret") } ?? false)
        let twice = Self.refusal { $0.origins = [Origin(url: "-"), Origin(url: "/dev/stdin")] }
        #expect(twice?.contains("standard input twice") ?? false)
    }

    @Test("What requests cannot carry")
    func requests() {
        func refusal(_ configure: (inout Origin) -> Void) -> String? {
            Self.refusal { configure(&$0.origins[0]) }
        }
        for (name, value) in [("", "a"), ("a b", "c"), ("a:", "c"), ("a\r\nb", "c"), ("a", "b\r\nc: d"), ("a", "b\0")] {
            let message = refusal { $0.headers = [.init(name: name, value: value)] }
            #expect(message?.hasPrefix("origins[0].headers") ?? false, "\(name.debugDescription)")
        }
        #expect(refusal { $0.headers = [.init(name: "X-Film", value: "a b\tc; ü")] } == nil)
        let long = Origin.Header(name: "a", value: String(repeating: "b", count: 40_000))
        #expect(refusal { $0.headers = [long] }?.contains("32768") ?? false)
        for token in ["", "a b", "a\n"] {
            #expect(refusal { $0.bearerToken = token }?.hasPrefix("origins[0].bearerToken") ?? false)
        }
        #expect(refusal { $0.certificateAuthorities = "/nowhere/ca.pem" }?.contains("No such file") ?? false)
        #expect(refusal { $0.certificateAuthorities = "" }?.contains("is empty") ?? false)
    }
}

internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

@Suite(.timeLimit(.minutes(25))) struct DescriptorOutputTests {
    static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        try #require(Glibc.pipe(&ends) == 0)
        // A closed pipe is an error to be told, not a reason to die; the pacer sees to that in its thread.
        signal(SIGPIPE, SIG_IGN)
        return (ends[0], ends[1])
    }

    static let bytes: [UInt8] = (0..<500_000).map { UInt8(truncatingIfNeeded: $0 / 251 ^ $0) }

    @Test func aSlowReaderGetsEveryByte() throws {
        let (reader, writer) = try Self.pipe()
        defer { close(writer) }
        let reading = Blocking { () -> [UInt8] in
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 777)
            while true {
                let count = read(reader, &buffer, buffer.count)
                if count <= 0 { break }
                all += buffer[..<count]
            }
            close(reader)
            return all
        }
        do {
            let output = try DescriptorOutput(.descriptor(writer, format: "mpegts"), stop: .init())
            #expect(!output.isSeekable)
            #expect(Self.bytes.withUnsafeBytes { output.write($0) })
        }
        close(writer)
        #expect(reading.value() == Self.bytes)
        reading.join()
    }

    @Test func aClosedPipeIsSaidToBe() throws {
        let (reader, writer) = try Self.pipe()
        defer { close(writer) }
        let output = try DescriptorOutput(.descriptor(writer, format: "mpegts"), stop: .init())
        close(reader)
        #expect(!Self.bytes.withUnsafeBytes { output.write($0) })
        #expect(output.failure?.isClosedPipe == true)
        #expect(output.failure?.isAborted == false)
    }

    @Test func stoppingEndsTheWaitForAReader() throws {
        let (reader, writer) = try Self.pipe()
        defer {
            close(writer)
            close(reader)
        }
        let stop = DescriptorOutput.StopFlag()
        let writing = Blocking { () -> Bool? in
            guard let output = try? DescriptorOutput(.descriptor(writer, format: "mpegts"), stop: stop) else {
                return nil
            }
            let isTaken = Self.bytes.withUnsafeBytes { output.write($0) }
            return isTaken ? nil : output.failure?.isAborted
        }
        #expect(writing.isBlocked)
        stop.set()
        #expect(writing.value(within: .seconds(5)) == .some(true))
        writing.join()
    }

    @Test func theDescriptorItselfStaysAsItWas() throws {
        let (reader, writer) = try Self.pipe()
        defer {
            close(writer)
            close(reader)
        }
        do {
            let output = try DescriptorOutput(.descriptor(writer, format: "mpegts"), stop: .init())
            #expect([UInt8]([1, 2, 3]).withUnsafeBytes { output.write($0) })
        }
        #expect(fcntl(writer, F_GETFL) & O_NONBLOCK == 0, "others share it")
        #expect(write(writer, [4] as [UInt8], 1) == 1, "it is not closed")
    }

    @Test func aFileIsReplacedAndCanBeSought() throws {
        let path = "/tmp/throughline-descriptor-\(getpid())"
        defer { unlink(path) }
        for text in ["a longer text", "short"] {
            let output = try DescriptorOutput(.file(path: path), stop: .init())
            #expect(output.isSeekable)
            #expect(Array(text.utf8).withUnsafeBytes { output.write($0) })
            #expect(output.seek(to: 0))
            #expect([UInt8]([88]).withUnsafeBytes { output.write($0) })
        }
        var buffer = [UInt8](repeating: 0, count: 100)
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        let count = read(descriptor, &buffer, buffer.count)
        #expect(String(decoding: buffer[..<max(0, count)], as: UTF8.self) == "Xhort")
    }

    @Test func aFileIsNotTouchedBeforeTheFirstByte() throws {
        let path = "/tmp/throughline-untouched-\(getpid())"
        defer { unlink(path) }
        try Self.fill("keep", to: path)
        do {
            let output = try DescriptorOutput(.file(path: path), stop: .init())
            #expect(try Self.text(of: path) == "keep")
            #expect(Array("new".utf8).withUnsafeBytes { output.write($0) })
        }
        #expect(try Self.text(of: path) == "new")
    }

    @Test func aFileThatExistsIsRefusedUnlessItMayBeReplaced() throws {
        let path = "/tmp/throughline-existing-\(getpid())"
        defer { unlink(path) }
        try Self.fill("keep", to: path)
        let error = #expect(throws: OutputError.self) {
            try DescriptorOutput(.file(path: path, overwrites: false), stop: .init())
        }
        #expect(error?.isUsage == true && error?.message.contains("-y") == true)
        unlink(path)
        // It appears between the look and the first byte.
        let output = try DescriptorOutput(.file(path: path, overwrites: false), stop: .init())
        try Self.fill("keep", to: path)
        #expect(!Array("new".utf8).withUnsafeBytes { output.write($0) })
        #expect(output.failure?.isUsage == true)
        #expect(try Self.text(of: path) == "keep")
    }

    @Test(arguments: ["/dev/null", "fifo"]) func whatIsNoFileIsWrittenWithoutAsking(kind: String) throws {
        let fifo = "/tmp/throughline-fifo-\(getpid())"
        defer { unlink(fifo) }
        let path = kind == "fifo" ? fifo : kind
        if kind == "fifo" { try #require(mkfifo(fifo, 0o600) == 0) }
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let output = try DescriptorOutput(.file(path: path, overwrites: false), stop: .init())
        #expect(!output.isSeekable)
        #expect([UInt8]([1, 2, 3]).withUnsafeBytes { output.write($0) })
    }

    @Test func nobodyReadsTheFIFOUntilItIsStopped() throws {
        let path = "/tmp/throughline-unread-\(getpid())"
        defer { unlink(path) }
        try #require(mkfifo(path, 0o600) == 0)
        let stop = DescriptorOutput.StopFlag()
        let writing = Blocking { () -> Bool? in
            guard let output = try? DescriptorOutput(.file(path: path), stop: stop) else { return nil }
            let isTaken = Self.bytes.withUnsafeBytes { output.write($0) }
            return isTaken ? nil : output.failure?.isAborted
        }
        #expect(writing.isBlocked)
        stop.set()
        #expect(writing.value(within: .seconds(5)) == .some(true))
        writing.join()
    }

    private static func fill(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    private static func text(of path: String) throws -> String {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 100)
        return String(decoding: buffer[..<fread(&buffer, 1, 100, file)], as: UTF8.self)
    }

    @Test func aFileThatCannotBeWrittenIsNamed() {
        #expect {
            _ = try DescriptorOutput(.file(path: "/nowhere/at/all.ts"), stop: .init())
        } throws: { error in
            (error as? OutputError)?.message.contains("/nowhere/at/all.ts") == true
        }
    }
}

internal import Foundation
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// Against servers that others wrote: openssl's, and nginx where it is installed.
@Suite(.timeLimit(.minutes(25)))
struct TLSTests {
    let folder: URL
    /// A certificate for 127.0.0.1 that nobody has signed but itself.
    let certificate: String
    let key: String
    static let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].first(where: FileManager.default.isExecutableFile)
    static let openssl = ["/usr/bin/openssl"].first(where: FileManager.default.isExecutableFile)

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "throughline-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        certificate = folder.appending(path: "certificate.pem").path()
        key = folder.appending(path: "key.pem").path()
        guard let openssl = Self.openssl else { return }
        let process = try start(
            openssl,
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=throughline", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                certificate,
            ])
        process.waitUntilExit()
    }

    private func start(_ program: String, _ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.currentDirectoryURL = folder
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// Not with SIGTERM: a child of a worker thread inherits its signal mask, in which that is blocked.
    private func end(_ process: Process) {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    private func freePort() -> Int {
        let (descriptor, port) = ScriptedServer.listen(backlog: 1)
        close(descriptor)
        return port
    }

    /// Asks until the server has come up.
    private func opened(_ client: HTTPClient) throws -> HTTPResponseHead {
        let end = Instant.now + .seconds(10)
        while let error = failure({ () throws(TransportError) in try client.open() }) {
            guard error.code == .refused, Instant.now < end else { throw error }
            _ = Guarded(()).wait(until: .now + .milliseconds(5)) { _ in nil as Void? }
        }
        return try #require(client.head)
    }

    private func client(_ url: String, trusting file: String?) throws -> HTTPClient {
        var options = HTTPRequestOptions()
        options.caFile = file
        return try HTTPClient(url: url, options: options, abort: AbortSwitch())
    }

    @Test(.enabled(if: openssl != nil))
    func aCertificateNobodySigned() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let object = pattern(200_000)
        try Data(object).write(to: folder.appending(path: "object"))
        let port = freePort()
        let process = try start(
            try #require(Self.openssl),
            ["s_server", "-accept", "127.0.0.1:\(port)", "-cert", certificate, "-key", key, "-WWW", "-quiet"])
        defer { end(process) }
        // s_server answers in HTTP/1.0 without a length: the end is that of the TLS session.
        let trusting = try client("https://127.0.0.1:\(port)/object", trusting: certificate)
        #expect(try opened(trusting).status == 200)
        let (bytes, _) = trusting.drain()
        #expect(same(bytes, object))

        let wary = try client("https://127.0.0.1:\(port)/object", trusting: nil)
        let error = failure { () throws(TransportError) in try wary.open() }
        #expect(error?.code == .tls && error?.message.contains("--ca-file") == true, "\(error?.message ?? "none")")

        let otherName = try client("https://localhost:\(port)/object", trusting: certificate)
        let nameError = failure { () throws(TransportError) in try otherName.open() }
        #expect(nameError?.code == .tls, "\(nameError?.message ?? "none")")
        #expect(nameError?.message.contains("--ca-file") == false)

        let useless = try client("https://127.0.0.1:\(port)/object", trusting: key)
        let fileError = failure { () throws(TransportError) in try useless.open() }
        #expect(fileError?.message.contains("--ca-file") == true, "\(fileError?.message ?? "none")")
    }

    /// A server that answers every line with its letters in reverse order.
    @Test(.enabled(if: openssl != nil))
    func aControlConnection() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let port = freePort()
        let process = try start(
            try #require(Self.openssl),
            ["s_server", "-accept", "127.0.0.1:\(port)", "-cert", certificate, "-key", key, "-rev", "-quiet"])
        defer { end(process) }
        func connection(_ host: String, trusting file: String?) throws -> ControlConnection {
            try ControlConnection(
                host: host, port: UInt16(port), usesTLS: true, caFile: file, abort: AbortSwitch())
        }
        func connecting(_ connection: ControlConnection) -> TransportError? {
            failure { () throws(TransportError) in try connection.connect(deadline: .now + .seconds(10)) }
        }
        // One after the other, as the server serves them.
        var error = connecting(try connection("127.0.0.1", trusting: nil))
        let end = Instant.now + .seconds(10)
        while error?.code == .refused, Instant.now < end {
            _ = Guarded(()).wait(until: .now + .milliseconds(5)) { _ in nil as Void? }
            error = connecting(try connection("127.0.0.1", trusting: nil))
        }
        #expect(error?.code == .tls, "\(error?.message ?? "none")")
        #expect(error?.message.hasPrefix("rtsps://127.0.0.1:\(port): ") == true)
        #expect(error?.message.contains("--ca-file") == true, "\(error?.message ?? "none")")
        let nameError = connecting(try connection("localhost", trusting: certificate))
        #expect(nameError?.code == .tls, "\(nameError?.message ?? "none")")

        let trusting = try connection("127.0.0.1", trusting: certificate)
        try trusting.connect(deadline: .now + .seconds(10))
        for line in ["abc", String(repeating: "0123456789", count: 1500)] {
            #expect(try trusting.send(line + "\n") == line.utf8.count + 1)
            #expect(try trusting.receiveText(line.utf8.count + 1) == String(line.reversed()) + "\n")
        }
        // TLS holds on to what was received: the socket does not tell of the second byte.
        _ = try trusting.send("xyz\n")
        #expect(try trusting.receiveText(1) == "z")
        #expect(trusting.hasBufferedInput)
        #expect(try trusting.receive(3) == Array("yx\n".utf8))
        #expect(try trusting.receive(3) == nil)
        #expect(!trusting.hasBufferedInput)

        // The server dies, and what is sent to it meets nobody: that must not be a deadly signal.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let gone = failure { () throws(TransportError) in
            while true { _ = try trusting.send("x") }
        }
        #expect([.reset, .closedEarly].contains(gone?.code), "\(gone?.message ?? "none")")
        trusting.close()
    }

    @Test func notTLSAtAll() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.send("HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.awaitClose()
        }
        let client = try HTTPClient(url: "https://127.0.0.1:\(server.port)/", abort: AbortSwitch())
        #expect(failure { () throws(TransportError) in try client.open() }?.code == .tls)
    }

    /// TLS and HTTP/2 are where libcurl delivers more than the ring holds, and has to be paused.
    @Test(.enabled(if: nginx != nil && openssl != nil), arguments: [HTTPRequestOptions.Version.automatic, .http1])
    func slowReader(version: HTTPRequestOptions.Version) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let object = pattern(6 << 20)
        try Data(object).write(to: folder.appending(path: "object"))
        let port = freePort()
        try """
        daemon off; master_process off; pid \(folder.path())/pid; error_log /dev/null;
        events {}
        http {
            access_log off;
            client_body_temp_path \(folder.path())/a; proxy_temp_path \(folder.path())/b;
            fastcgi_temp_path \(folder.path())/c; uwsgi_temp_path \(folder.path())/d; scgi_temp_path \(folder.path())/e;
            server {
                listen 127.0.0.1:\(port) ssl http2;
                ssl_certificate \(certificate); ssl_certificate_key \(key);
                root \(folder.path());
            }
        }
        """.write(to: folder.appending(path: "nginx.conf"), atomically: true, encoding: .utf8)
        let process = try start(
            try #require(Self.nginx), ["-p", folder.path(), "-e", "/dev/null", "-c", folder.path() + "/nginx.conf"])
        defer { end(process) }
        var options = HTTPRequestOptions()
        options.caFile = certificate
        options.version = version
        let client = try HTTPClient(
            url: "https://127.0.0.1:\(port)/object", options: options, abort: AbortSwitch())
        let head = try opened(client)
        #expect(head.status == 206)
        #expect(head.totalLength == 6 << 20)
        var (bytes, mostBuffered): ([UInt8], Int) = ([], 0)
        while true {
            let some = try client.read(7001)
            if some.isEmpty { break }
            bytes += some
            mostBuffered = max(mostBuffered, client.bufferedByteCount)
        }
        #expect(same(bytes, object))
        #expect(mostBuffered <= 256 << 10)
        // With HTTP/2, leaving a body keeps the connection; with HTTP/1.1 it does not.
        try client.open(at: 1 << 20)
        #expect(same(try client.read(1), [object[1 << 20]]))
        try client.open(at: 2 << 20)
        #expect(client.timings?.reusedConnection == (version == .automatic))
        #expect(same(client.drain(by: 1 << 19).bytes, Array(object[(2 << 20)...])))
        #expect(failure { () throws(TransportError) in try client.open(at: 7 << 20) }?.code == .httpStatus(416))
    }
}

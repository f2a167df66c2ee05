internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineProtocols

/// An RTSP server on loopback that does what its script says, with plain blocking sockets on one thread.
///
/// No call of it lasts longer than ten seconds, so that a test which fails also ends.
final class ScriptedRTSPServer: Sendable {
    /// The one connection that the script talks over.
    final class Peer {
        let descriptor: Int32
        /// Where the client wants its datagrams.
        private(set) var clientPort: UInt16 = 0
        private let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        /// Its own ports, as far as it tells.
        static let serverPorts = "6970-6971"

        init(_ listener: Int32) {
            descriptor = accept(listener, nil, nil)
            var timeout = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }

        deinit {
            close(descriptor)
            close(datagrams)
        }

        /// The next interleaved frame of the client, without its header; nil when there is none any more.
        func frame() -> [UInt8]? {
            var framer = RTSPFramer()
            var found: [UInt8]?
            while found == nil {
                var byte: UInt8 = 0
                guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
                withUnsafeBytes(of: &byte) { bytes in
                    framer.feed(bytes) { element in
                        if case .frame(_, let payload) = element { found = Array(payload) }
                    }
                }
            }
            return found
        }

        /// Lets time go by.
        func rest(_ duration: Duration) {
            _ = Guarded(()).wait(until: .now + duration) { _ -> Void? in nil }
        }

        /// The next request; nil when there is none any more. What comes between requests is passed over.
        func request() -> RTSPRequest? {
            var framer = RTSPFramer()
            var found: RTSPRequest?
            while found == nil {
                var byte: UInt8 = 0
                guard recv(descriptor, &byte, 1, 0) == 1 else { return nil }
                withUnsafeBytes(of: &byte) { bytes in
                    framer.feed(bytes) { element in
                        if case .message(.request(let request)) = element { found = request }
                    }
                }
            }
            return found
        }

        /// Sends all of it, or as much as goes; returns how much did.
        @discardableResult
        func send(_ bytes: some Collection<UInt8>) -> Int {
            let all = Array(bytes)
            var sent = 0
            while sent < all.count {
                let count = all[sent...].withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { break }
                sent += count
            }
            return sent
        }

        func answer(
            _ request: RTSPRequest, _ status: RTSPStatus = .ok, _ headers: [(RTSPHeaders.Name, String)] = [],
            body: String = ""
        ) {
            var fields = RTSPHeaders([(.cseq, request.headers[.cseq] ?? "")])
            for (name, value) in headers { fields.add(name, value) }
            send(RTSPResponse(status: status, headers: fields, body: Array(body.utf8)).serialized())
        }

        /// Answers requests up to PLAY, of one flow of sound with 8000 samples a second.
        ///
        /// - Parameter media: of the description, each flow with a control of its own.
        /// - Returns: the PLAY, which is not answered.
        func begin(
            range: String = "0-60", media: String = "m=audio 0 RTP/AVP 0\r\na=control:flow\r\n",
            refused: String? = nil
        ) -> RTSPRequest? {
            while let request = request() {
                switch request.method {
                case .describe:
                    answer(
                        request, .ok, [(.contentType, "application/sdp")],
                        body: "v=0\r\ns=-\r\na=range:npt=\(range)\r\n\(media)")
                case .setup where refused.map { request.uri.hasSuffix($0) } ?? false: answer(request, .notFound)
                case .setup:
                    var transport = request.headers[.transport] ?? ""
                    if let ports = request.headers.transport?.alternatives.first?.clientPorts {
                        clientPort = ports.lowerBound
                        // From another port than it tells of, if it told of any: so it tells of none.
                        transport = "RTP/AVP;unicast;client_port=\(ports.lowerBound)-\(ports.upperBound)"
                    }
                    answer(request, .ok, [(.session, "1;timeout=60"), (.transport, transport)])
                case .play: return request
                default: answer(request)
                }
            }
            return nil
        }

        /// One RTP packet as an interleaved frame.
        static func frame(_ packet: [UInt8], channel: UInt8 = 0) -> [UInt8] {
            [0x24, channel, UInt8(packet.count >> 8), UInt8(packet.count & 0xFF)] + packet
        }

        /// An RTP packet of sound.
        static func packet(_ number: Int, byteCount: Int = 1000, ssrc: UInt8 = 7) -> [UInt8] {
            let time = number * 160
            let header: [UInt8] = [
                0x80, 0, UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF), UInt8(time >> 24 & 0xFF),
                UInt8(time >> 16 & 0xFF), UInt8(time >> 8 & 0xFF), UInt8(time & 0xFF), 0, 0, 0, ssrc,
            ]
            return header + Array(repeating: 0x55, count: byteCount - header.count)
        }

        /// Sends a datagram to the port for RTP.
        func send(datagram: [UInt8]) {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = clientPort.bigEndian
            address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(datagrams, datagram, datagram.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }

        /// Answers whatever is asked, until the client leaves.
        func goOn() {
            while let request = request() { answer(request, .ok, [(.session, "1")]) }
        }
    }

    let port: Int
    private let listener: Int32
    private let thread: WorkerThread
    private let isJoined = Guarded(false)

    /// Listens, and runs `script` with one connection after another on a thread of its own.
    init(connections: Int = 1, _ script: @escaping @Sendable (Peer) -> Void) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, length)
                listen(listener, 4)
                getsockname(listener, $0, &length)
            }
        }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        port = Int(UInt16(bigEndian: address.sin_port))
        self.listener = listener
        thread = WorkerThread(name: "rtsp-script") { for _ in 0..<connections { script(Peer(listener)) } }
    }

    deinit { join() }

    /// Waits for the script to end: to be called when the client is gone.
    func join() {
        let isFirst = isJoined.withLock { isJoined in
            defer { isJoined = true }
            return !isJoined
        }
        guard isFirst else { return }
        thread.join()
        close(listener)
    }

    var url: String { "rtsp://127.0.0.1:\(port)/film" }
}

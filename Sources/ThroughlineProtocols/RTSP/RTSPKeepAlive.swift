/// Chooses the requests that keep a session alive (RFC 2326 section 10.8, RFC 7826 section 10.5).
///
/// Servers differ in which request they answer: cameras pass over GET_PARAMETER without a word, or answer 501, and some
/// count one kind of request alone. What is refused or passed over is followed at once by the next method, each once in
/// a round; the one that was answered last begins the next round.
///
/// An answer tells nothing of the media, and so the lack of one does not either. Only a session that is idle, and that
/// answered before, is taken for lost when a whole round stays without an answer, or when every method of a round finds
/// no such session (454).
struct RTSPKeepAlive: Hashable, Sendable {
    enum Verdict: Hashable, Sendable {
        /// Nothing is to be done before the next round.
        case rest
        /// The next method is to be sent at once.
        case tryNext
        /// Nothing was answered, or every answer was 454: an idle session is lost.
        case silent, unknown
    }

    private static let methods: [RTSPMethod] = [.getParameter, .options, .setParameter]
    private var place = 0
    /// Methods of this round that were sent.
    private var sent = 0
    private var unknown = 0
    private var silent = 0
    private var wasAnswered = false

    /// The method to send.
    var method: RTSPMethod { Self.methods[place] }

    /// A round begins, with the first request of it.
    mutating func begin() { (sent, unknown, silent) = (1, 0, 0) }

    /// A request was answered with what shows that the session is known, also when that came late.
    mutating func answered(_ method: RTSPMethod) {
        wasAnswered = true
        place = Self.methods.firstIndex(of: method) ?? place
        sent = Self.methods.count
    }

    /// The server does not know the method.
    mutating func refused() -> Verdict {
        wasAnswered = true
        return next()
    }

    /// The server does not know the session; some say so of every session that they are asked about in this way.
    mutating func foundNoSession() -> Verdict {
        wasAnswered = true
        unknown += 1
        return next()
    }

    /// No answer has come in time.
    mutating func fellSilent(_ method: RTSPMethod) -> Verdict {
        silent += 1
        // Meanwhile another was answered.
        guard method == self.method else { return .rest }
        return next()
    }

    private mutating func next() -> Verdict {
        place = (place + 1) % Self.methods.count
        guard sent >= Self.methods.count else {
            sent += 1
            return .tryNext
        }
        if unknown == Self.methods.count { return .unknown }
        return silent == Self.methods.count && wasAnswered ? .silent : .rest
    }
}

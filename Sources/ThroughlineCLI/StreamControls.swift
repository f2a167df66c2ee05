internal import Glibc
internal import Throughline
internal import ThroughlineCore

/// Takes what a viewer asks for from standard input, a command a line, on a thread of its own.
///
/// When the input ends, nobody is left who could let a paused stream go on: it goes on by itself, then and whenever it
/// stands paused later, as at the beginning of a film that is played backwards.
final class StreamControls: Sendable {
    private struct State {
        var isPaused = false
        var stream: ResilientStream?
    }

    private let state = Guarded(State())
    private let tell: @Sendable (String) -> Void

    /// - Parameter tell: told what is for people alone.
    init(tell: @escaping @Sendable (String) -> Void) { self.tell = tell }

    /// Takes notice of the events of the stream.
    func noted(_ event: Event) {
        if case .paused(let isPaused, _) = event.kind { state.withLockAndWake { $0.isPaused = isPaused } }
    }

    /// Begins to read.
    func read(for stream: ResilientStream) {
        state.withLock { $0.stream = stream }
        // In the background of a terminal reading fails then, where it would otherwise stop the process.
        signal(SIGTTIN, SIG_IGN)
        // Never joined: it waits in the system until the process ends.
        var thread = pthread_t()
        let own = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<StreamControls>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, own.toOpaque())
        if result == 0 { pthread_detach(thread) } else { own.release() }
    }

    private func run() {
        guard let stream = state.withLock({ $0.stream }) else { return }
        InputLines.read { stream.obey($0) }
        while true {
            state.wait { state, _ in state.isPaused ? () : nil }
            tell("the commands on standard input have ended, and the stream stood paused: it goes on")
            stream.resume()
        }
    }
}

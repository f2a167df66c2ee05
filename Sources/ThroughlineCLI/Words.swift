internal import Throughline
internal import ThroughlineCore

// How things are said to people.

extension Duration {
    /// `0 ms`, `<1 ms`, `19 ms`, `1.24 s`, `2:03 min`.
    var words: String {
        let nanoseconds = wholeNanoseconds
        if nanoseconds == 0 { return "0 ms" }
        if nanoseconds < 0 { return "-" + (Duration.zero - self).words }
        if nanoseconds < 500_000 { return "<1 ms" }
        let milliseconds = (nanoseconds + 500_000) / 1_000_000
        if milliseconds < 1000 { return "\(milliseconds) ms" }
        if milliseconds < 100_000 { return "\(decimals(2)) s" }
        let seconds = (nanoseconds + 500_000_000) / 1_000_000_000
        return "\(seconds / 60):\(String(seconds % 60).zeros(2)) min"
    }

    /// Seconds with so many decimals.
    func decimals(_ count: Int) -> String {
        var unit: Int64 = 1_000_000_000
        var scale: Int64 = 1
        for _ in 0..<count {
            unit /= 10
            scale *= 10
        }
        let units = (wholeNanoseconds.magnitude + unit.magnitude / 2) / unit.magnitude
        let (whole, rest) = units.quotientAndRemainder(dividingBy: scale.magnitude)
        return "\(wholeNanoseconds < 0 && units > 0 ? "-" : "")\(whole).\(String(rest).zeros(count))"
    }
}

extension MediaTime {
    /// As `Duration.words`.
    var words: String { duration.words }
}

extension String {
    fileprivate func zeros(_ width: Int) -> String { String(repeating: "0", count: max(0, width - count)) + self }
}

/// `1 handoff`, `2 handoffs`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// The short name of a container: FFmpeg lists every extension that a demuxer knows.
func containerWords(_ name: String) -> String {
    name.hasPrefix("mov,mp4") ? "mp4" : name.hasPrefix("matroska") ? "matroska" : name
}

/// An event in words, as lines; empty for what only `--verbose` tells.
final class EventWords: Sendable {
    private let console: Console
    private let isVerbose: Bool
    /// Why attempts failed since the last change event: said once each.
    private let reasons = Guarded<Set<String>>([])

    init(console: Console, isVerbose: Bool) {
        self.console = console
        self.isVerbose = isVerbose
    }

    func lines(for event: Event) -> [String] {
        switch event.kind {
        case .changeObserved, .handoff: reasons.withLock { $0 = [] }
        case .attemptFailed(_, let url, let reason) where !isVerbose:
            if !reasons.withLock({ $0.insert("\(url) \(reason)").inserted }) { return [] }
        default: break
        }
        let (style, text, more) = words(event.kind)
        guard !text.isEmpty else { return [] }
        let time = "\(event.time.decimals(3)) s".padded(left: 11) + "  "
        let margin = String(repeating: " ", count: time.count)
        var lines = console.wrapped(text.printable, indent: time.count).map { console.styled($0, style) }
        for line in more { lines += console.wrapped(line.printable, indent: time.count) }
        return lines.enumerated().map { ($0.offset == 0 ? time : margin) + $0.element }
    }

    private func words(_ kind: Event.Kind) -> (style: Console.Style, text: String, more: [String]) {
        switch kind {
        case .opened(_, let url, let container, let duration, let flows):
            let length = duration.map { ", \($0)" } ?? ""
            return (
                .plain, "opened \(url) (\(containerWords(container))\(length))",
                isVerbose ? flows.map { "flow \($0.index): \($0.text)" } : []
            )
        case .playing(let npt): return (.plain, "playing from \(max(npt, .zero))", [])
        case .changeObserved(let event, _, _):
            let wish = event.retryAfter.map { "; it asks to be left alone for \($0.words)" } ?? ""
            return (.notice, "\(event.kind.words) (\(event.cause.rawValue)): \(event.detail)\(wish)", [])
        case .indicated(let change, _, let url):
            let place = change.position.map { " at \($0)" } ?? ""
            let target = change.target.map { " to \($0)" } ?? ""
            return (
                .plain, "\(url) announces (\(change.kind.rawValue)): \(change.action.rawValue)\(target)\(place)",
                ["\(change.detail); response: \(change.response.rawValue)"]
            )
        case .attemptFailed(_, let url, let reason):
            return (.notice, reason.contains(url) ? "failed: \(reason)" : "failed: \(url): \(reason)", [])
        case .waiting(let time):
            guard isVerbose || time >= .milliseconds(200) else { return (.plain, "", []) }
            return (.plain, "no origin can be asked for the next \(time.words); waiting", [])
        case .handoff(let report):
            let place = report.to == report.from ? "the same origin again, \(report.toURL)," : report.toURL
            let kind = report.standby == .cold ? "" : "\(report.standby.rawValue) "
            return (
                .good, "\(kind)handoff to \(place) in \(report.duration.words): \(report.grade.rawValue)",
                ["\(report.evidence); buffer \(report.bufferBefore.words) before, \(report.bufferAfter.words) after"]
                    + (isVerbose ? details(report) : defects(report))
            )
        case .recovered(_, let url, let decision):
            return (
                .plain, isVerbose ? "\(url) delivers again" : "", isVerbose ? [decision.text] : []
            )
        case .standbyReady(_, let url, let time):
            return (.plain, isVerbose ? "standby: \(url) stands ready after \(time.words)" : "", [])
        case .standbyLost(_, let url, let reason):
            return (.notice, isVerbose ? "standby: " + (reason.contains(url) ? "" : "\(url): ") + reason : "", [])
        case .refilled(_, let url, let time, let before, let after):
            return (
                .plain, "the buffer is full again: \(url) delivered faster for \(time.words)",
                isVerbose ? ["buffer \(before.words) before, \(after.words) after"] : []
            )
        case .reopened(_, let url, let byte):
            guard isVerbose else { return (.plain, "", []) }
            return (.plain, "opened \(url) again at byte \(byte): the idle connection had been closed", [])
        case .gap(let gap): return (.bad, "visible gap at \(gap.npt): \(gap.duration.words)", [])
        case .defect(let defect, let url):
            let flows =
                "flow" + (defect.flows.count == 1 ? " " : "s ") + defect.flows.map(String.init).joined(separator: ", ")
            let whose = defect.isAtJoin ? "where \(url) went on" : "in what \(url) delivers"
            let what =
                defect.kind == .missing
                ? "\(defect.duration.words) missing at \(defect.npt)"
                : "\(counted(defect.packets, "packet")) damaged at \(defect.npt)"
                    + (defect.duration > .zero ? " (\(defect.duration.words))" : "")
            return (.bad, "\(what), \(whose) (\(flows))", [])
        case .warning(let text): return (.notice, "note: \(text)", [])
        case .paused(let isPaused, let npt):
            return (.plain, "\(isPaused ? "paused" : "goes on") at \(max(npt, .zero))", [])
        case .sought(let npt): return (.plain, "went to \(npt)", [])
        // What was asked for is said by what comes of it; this is what that does not say.
        case .answered(let answer):
            let text = answer.text.map { ": \($0)" } ?? ""
            return answer.isAccepted
                ? (.plain, "\(answer.line)\(text.isEmpty ? ": accepted" : text)", [])
                : (.notice, "throughline: \(answer.text ?? "refused")", [])
        case .rateChanged(let rate): return (.plain, "plays at \(rate) times the normal rate", [])
        case .ended(let npt, _): return (.plain, npt.map { "ended at \($0)" } ?? "", [])
        }
    }

    private func details(_ report: HandoffReport) -> [String] {
        (report.decision.map { [$0.text] } ?? [])
            + report.attempts.map { attempt in
                "\(attempt.method) \(attempt.url) (\(attempt.why)): \(attempt.failure ?? "done") (\(attempt.duration.words))"
            }
            + report.flows.map { flow in
                "flow \(flow.flow): \(flow.grade.rawValue), \(flow.lastBefore?.description ?? "-") to "
                    + "\(flow.firstAfter?.description ?? "-"), \(counted(flow.matched, "packet")) recognised, "
                    + "missing \(flow.missing.words), duplicate \(flow.duplicate.words)"
            }
    }

    private func defects(_ report: HandoffReport) -> [String] {
        report.flows.filter { $0.missing > .zero || $0.duplicate > .zero }.map { flow in
            "flow \(flow.flow): missing \(flow.missing.words), duplicate \(flow.duplicate.words)"
        }
    }
}

extension ChangeEvent.Kind {
    fileprivate var words: String {
        switch self {
        case .failure: "failure"
        case .stall: "stall"
        case .overload: "overload"
        case .indicator: "change announced"
        case .operatorRequest: "change asked for"
        }
    }
}

/// An error with what was tried, the same words once.
func errorLines(_ error: StreamError) -> String {
    var counts: [(text: String, count: Int)] = []
    for attempt in error.attempts {
        // "URL: GET URL at byte 0: ..." would name it once too often.
        let text = attempt.reason.contains(attempt.url) ? attempt.reason : "\(attempt)"
        if let index = counts.firstIndex(where: { $0.text == text }) {
            counts[index].count += 1
        } else {
            counts.append((text, 1))
        }
    }
    return ([error.message] + counts.map { "  - \($0.text)" + ($0.count > 1 ? " (\($0.count) times)" : "") })
        .joined(separator: "\n")
}

/// The few lines that say what came of it.
func summaryLines(_ summary: Summary, console: Console) -> [String] {
    var rows: [(String, String)] = []
    let end = summary.end.map { ", up to \($0)" } ?? ""
    let whole = summary.end == nil ? "" : summary.duration.map { " of \($0)" } ?? ""
    let startup = summary.startup.map { ", started after \($0.words)" } ?? ""
    rows.append(("played", "\(summary.played)\(end)\(whole) in \(summary.elapsed.words)\(startup)"))
    let width = summary.flows.map(\.description.text.count).max() ?? 0
    for (index, flow) in summary.flows.enumerated() {
        rows.append(
            (
                index == 0 ? "flows" : "",
                "\(flow.description.text.padded(to: width))  \(String(flow.packets).padded(left: 7)) "
                    + (flow.packets == 1 ? "packet" : "packets")
                    + (flow.losses == FlowLosses() ? "" : "; \(flow.losses)")
                    + (flow.missing > .zero ? "; \(flow.missing.words) missing" : "")
                    + (flow.damagedPackets > 0 ? "; \(counted(flow.damagedPackets, "packet")) damaged" : "")
            ))
    }
    let grades = Dictionary(grouping: summary.handoffs, by: \.grade)
    let parts = SpliceGrade.allCases.compactMap { grade in grades[grade].map { "\($0.count) \(grade.rawValue)" } }
    rows.append(
        ("handoffs", "\(summary.handoffCount)" + (parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))")))
    let standby = summary.standby
    if standby.standby != .cold {
        rows.append(
            (
                "standby",
                "\(standby.standby.rawValue): set up \(standby.preparations == 1 ? "once" : "\(standby.preparations) times"), "
                    + "held for \(standby.held.words)"
                    + (standby.failures > 0 ? "; failed \(counted(standby.failures, "time"))" : "")
                    + (standby.packets > 0
                        ? "; received \(counted(standby.packets, "packet")), \(standby.bytes / 1000) kB" : "")
            ))
    }
    rows.append(("visible gap", summary.visibleGap.words))
    rows.append(("missing", summary.missing.words))
    rows.append(("duplicate", summary.duplicate.words))
    rows.append(
        (
            "damaged",
            summary.damaged.words
                + (summary.damagedPackets > 0 ? " (\(counted(summary.damagedPackets, "packet")))" : "")
        ))
    return rows.map { console.styled($0.0.padded(to: 13), .dim) + $0.1.printable }
        + (verdict(summary).map { [$0] } ?? [])
}

/// How it ended, in a sentence that hides nothing of what the viewer lacked; nil where an error says how.
func verdict(_ summary: Summary) -> String? {
    guard summary.error == nil else { return nil }
    var parts: [String] = []
    if summary.missing > .zero { parts.append("\(summary.missing.words) of it is missing") }
    if summary.damagedPackets > 0 {
        parts.append(
            summary.damaged > .zero
                ? "\(summary.damaged.words) of it is damaged"
                : "\(counted(summary.damagedPackets, "packet")) of it \(summary.damagedPackets == 1 ? "is" : "are") damaged"
        )
    }
    if summary.gapTotal > .zero { parts.append("the viewer waited for \(summary.gapTotal.words)") }
    return "played to the end" + (parts.isEmpty ? "" : "; ") + parts.joined(separator: ", ")
}

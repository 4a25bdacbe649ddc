# Creates the environment of this project and installs the pinned packages and the runtime.
# Run it again after setup/ has changed.
# powershell -ExecutionPolicy Bypass -File setup\setup.ps1 [-Python C:\path\python.exe]
param([string]$Python = "")
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

function Test-Fits([string]$Name) {
    if (-not (Get-Command $Name -ErrorAction SilentlyContinue)) { return $false }
    # PowerShell 5.1 stops at what a program writes to stderr once that is redirected.
    $ErrorActionPreference = "Continue"
    & $Name -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))" 2>$null | Out-Null
    return $LASTEXITCODE -eq 0
}

# py is the launcher that python.org's installer puts on the path; it knows every version.
function Find-WithLauncher {
    if (-not (Get-Command "py" -ErrorAction SilentlyContinue)) { return "" }
    $ErrorActionPreference = "Continue"
    foreach ($version in @("-3.13", "-3.12", "-3.11")) {
        $path = & py $version -c "import sys; print(sys.executable)" 2>$null
        if ($LASTEXITCODE -eq 0 -and $path) { return "$path".Trim() }
    }
    return ""
}

if (-not $Python) { $Python = Find-WithLauncher }
if (-not $Python) {
    foreach ($name in @("python3.13", "python3.12", "python3.11", "python", "python3")) {
        if (Test-Fits $name) { $Python = $name; break }
    }
}
if (-not $Python -or -not (Test-Fits $Python)) {
    [Console]::Error.WriteLine("error: Python 3.11, 3.12 or 3.13 is required; name it with -Python")
    exit 2
}

$wheel = Get-ChildItem "setup\phi3scaffold-*.whl" -ErrorAction SilentlyContinue | Select-Object -Last 1
if (-not $wheel) {
    [Console]::Error.WriteLine("error: the runtime's wheel is missing from setup\")
    [Console]::Error.WriteLine("  (that of a demonstration project is not in git; phi3scaffold update restores it)")
    exit 2
}

# .copier-answers.yml names the runtime's wheel by its sha256: no other one is installed.
$line = Get-Content ".copier-answers.yml" -ErrorAction SilentlyContinue |
    Where-Object { $_ -match "^_wheel: " } | Select-Object -First 1
$recorded = "$line" -replace "^_wheel: *", ""
$found = "sha256:" + (Get-FileHash $wheel.FullName -Algorithm SHA256).Hash.ToLower()
if ($recorded -ne $found) {
    [Console]::Error.WriteLine("error: $($wheel.Name) is not the wheel that .copier-answers.yml names")
    [Console]::Error.WriteLine("  it has $found; named is $recorded")
    [Console]::Error.WriteLine("  (take both from where the project was made; or phi3scaffold update writes both)")
    exit 2
}

function New-Environment([string]$Folder, [string]$Requirements) {
    Write-Output "Creating $Folder with the packages of $Requirements"
    & $Python -m venv $Folder
    if ($LASTEXITCODE -ne 0) { exit 1 }
    # pip shows the progress of gigabytes, but only without --quiet.
    # Exactly the files whose sha256 stand in the .lock file.
    $lock = $Requirements -replace "\.txt$", ".lock"
    & "$Folder\Scripts\python.exe" -m pip install --disable-pip-version-check --require-hashes -r $lock
    if ($LASTEXITCODE -ne 0) { exit 1 }
    # What somebody has added to the other file, or changed there: it has no sha256 here.
    $known = Get-Content $lock | ForEach-Object { ($_ -split " ")[0] }
    $added = Get-Content $Requirements | Where-Object {
        $_.Trim() -and $_ -notmatch "^#" -and $_ -ne "-c constraints.txt" -and
        $known -notcontains ($_ -split " ")[0]
    }
    if ($added) {
        Write-Output "Installing what has no sha256 in ${lock}: $added"
        & "$Folder\Scripts\python.exe" -m pip install --disable-pip-version-check -r $Requirements
        if ($LASTEXITCODE -ne 0) { exit 1 }
    }
    & "$Folder\Scripts\python.exe" -m pip install --quiet --disable-pip-version-check --no-deps $wheel.FullName
    if ($LASTEXITCODE -ne 0) { exit 1 }
}

New-Environment ".venv" "setup\requirements.txt"
Write-Output "Done. README.md describes the next steps."
